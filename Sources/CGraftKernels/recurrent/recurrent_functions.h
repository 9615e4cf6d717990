// Sigmoid and tanh of vectors of floats, from one exponential and one division: a few units in the
// last place, where those of elementwise operators are within two. NaN stays NaN.

GRAFT_INLINE floats limited_floats(floats x, float bound) {
  typedef float lanes __attribute__((ext_vector_type(FLOAT_LANES)));
  const lanes low = -bound, high = bound;
  lanes y = (lanes)x;
  y = y < low ? low : y;
  return (floats)(y > high ? high : y);
}

/// 1 / (1 + exp(-x))
GRAFT_INLINE floats step_sigmoid(floats x) {
  const struct split parts = split_exponent(-limited_floats(x, 88));
  const floats power = power_of_two(parts.exponent);
  return 1 / product_sum(power, exp_minus_one_of_rest(parts.rest), power + 1);
}

/// (exp(2x) - 1) / (exp(2x) + 1); from 9.02 on it rounds to 1.
GRAFT_INLINE floats step_tanh(floats x) {
  const floats limited = limited_floats(x, 9.5f);
  const struct split parts = split_exponent(limited + limited);
  const floats power = power_of_two(parts.exponent);
  const floats less = product_sum(power, exp_minus_one_of_rest(parts.rest), power - 1);
  return less / (less + 2);
}
