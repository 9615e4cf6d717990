// Sigmoid and tanh of vectors of floats, from one exponential and one division: a few units in the
// last place, where those of elementwise operators are within two. NaN stays NaN.

GRAFT_INLINE floats limited_floats(floats x, float bound) {
  typedef float lanes __attribute__((ext_vector_type(FLOAT_LANES)));
  const lanes low = -bound, high = bound;
  lanes y = (lanes)x;
  y = y < low ? low : y;
  return (floats)(y > high ? high : y);
}

/// 1 + exp(-x), up to `bound`: the sigmoid is its inverse.
GRAFT_INLINE floats step_inverse_sigmoid(floats x, float bound) {
  const struct split parts = split_exponent(limited_floats(-x, bound));
  const floats power = power_of_two(parts.exponent);
  return product_sum(power, exp_minus_one_of_rest(parts.rest), power + 1);
}

/// exp(2x) - 1; tanh is this, divided by this + 2. From 9.02 on tanh rounds to 1.
GRAFT_INLINE floats step_tanh_numerator(floats x) {
  const floats limited = limited_floats(x, 9.5f);
  const struct split parts = split_exponent(limited + limited);
  const floats power = power_of_two(parts.exponent);
  return product_sum(power, exp_minus_one_of_rest(parts.rest), power - 1);
}

// The largest exponential whose inverse is not 0.
#define SIGMOID_BOUND 88

/// 1 / (1 + exp(-x))
GRAFT_INLINE floats step_sigmoid(floats x) { return 1 / step_inverse_sigmoid(x, SIGMOID_BOUND); }

GRAFT_INLINE floats step_tanh(floats x) {
  const floats numerator = step_tanh_numerator(x);
  return numerator / (numerator + 2);
}

/// sigmoid(x) * tanh(y) with one division. Where the divisor is infinite, the product is 0.
GRAFT_INLINE floats step_gated_tanh(floats x, floats y) {
  const floats numerator = step_tanh_numerator(y);
  return numerator / ((numerator + 2) * step_inverse_sigmoid(x, SIGMOID_BOUND));
}

/// (1 - z) * tanh(y) + z * h, where z = sigmoid(x), with one division. The bound keeps all factors
/// finite; a smaller z does not matter in this sum.
GRAFT_INLINE floats step_mixed_tanh(floats x, floats y, floats h) {
  const floats divisor = step_inverse_sigmoid(x, 60), numerator = step_tanh_numerator(y);
  const floats sum = numerator + 2, inverse = 1 / (divisor * sum);
  const floats candidate = numerator * (divisor * inverse);
  return candidate + sum * inverse * (h - candidate);
}
