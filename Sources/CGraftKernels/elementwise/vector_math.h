// Vectors of GRAFT_LANES floats and elementary functions on them, in portable vector arithmetic.
//
// Included once in each file that is written for one instruction set. That file defines
// GRAFT_LANES, defines GRAFT_HAS_FMA if the target has fused multiply-add, and puts the target
// attribute on all functions. The polynomials are minimax fits; with and without FMA the results
// stay within 2 ULP.

#include <float.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

typedef float vector __attribute__((vector_size(GRAFT_LANES * 4)));
typedef int32_t integers __attribute__((vector_size(GRAFT_LANES * 4)));

#define GRAFT_INLINE static inline __attribute__((always_inline, unused))

GRAFT_INLINE vector splat(float value) { return value - (vector){0}; }

GRAFT_INLINE vector load(const float *source) {
  vector result;
  memcpy(&result, source, sizeof result);
  return result;
}

GRAFT_INLINE void store(float *destination, vector value) {
  memcpy(destination, &value, sizeof value);
}

/// a * b + c
GRAFT_INLINE vector multiply_add(vector a, vector b, vector c) {
#ifdef GRAFT_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// `mask ? yes : no`, for the result of a comparison.
GRAFT_INLINE vector select(integers mask, vector yes, vector no) {
  return (vector)((mask & (integers)yes) | (~mask & (integers)no));
}

/// NaN in `x` stays NaN.
GRAFT_INLINE vector at_least(vector x, float bound) {
  return select(x < bound, splat(bound), x);
}

/// NaN in `x` stays NaN.
GRAFT_INLINE vector at_most(vector x, float bound) {
  return select(x > bound, splat(bound), x);
}

GRAFT_INLINE vector magnitude(vector x) { return (vector)((integers)x & INT32_MAX); }

/// `x` with the sign of `sign`; `x` must not be negative.
GRAFT_INLINE vector with_sign(vector x, vector sign) {
  return (vector)((integers)x | ((integers)sign & INT32_MIN));
}

/// An exponential's argument, split: x = exponent * ln 2 + rest, |rest| <= ln 2 / 2.
struct split {
  integers exponent;
  vector rest;
};

GRAFT_INLINE struct split split_exponent(vector x) {
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const vector magic = splat(0x1.8p23f);
  const vector shifted = multiply_add(x, splat(0x1.715476p0f), magic);
  const vector exponent = shifted - magic;
  // ln 2 in two parts; products with the first, which has few bits, are exact.
  vector rest = multiply_add(exponent, splat(-0x1.63p-1f), x);
  rest = multiply_add(exponent, splat(0x1.bd0106p-13f), rest);
  return (struct split){(integers)shifted - (integers)magic, rest};
}

/// exp(r) - 1 for |r| <= ln 2 / 2
GRAFT_INLINE vector exp_minus_one_of_rest(vector r) {
  vector p = multiply_add(splat(0x1.6d815ep-10f), r, splat(0x1.123f90p-7f));
  p = multiply_add(p, r, splat(0x1.5554bap-5f));
  p = multiply_add(p, r, splat(0x1.55548ap-3f));
  p = multiply_add(p, r, splat(0.5f));
  return multiply_add(p, r * r, r);
}

/// 2^exponent, for exponents of normal numbers
GRAFT_INLINE vector power_of_two(integers exponent) { return (vector)((exponent + 127) << 23); }

GRAFT_INLINE vector vector_exp(vector x) {
  const struct split parts = split_exponent(at_least(at_most(x, 89), -104));
  // Two factors, since the power may lie beyond the normal numbers while the product does not.
  const integers half = parts.exponent >> 1;
  return (1 + exp_minus_one_of_rest(parts.rest)) * power_of_two(half) *
         power_of_two(parts.exponent - half);
}

/// exp(x) - 1 for x <= 0
GRAFT_INLINE vector vector_exp_minus_one(vector x) {
  const struct split parts = split_exponent(at_least(x, -25));
  const vector scale = power_of_two(parts.exponent);
  return multiply_add(scale, exp_minus_one_of_rest(parts.rest), scale - 1);
}

GRAFT_INLINE vector vector_log(vector x) {
  const integers is_small = x < FLT_MIN;
  const integers bits = (integers)select(is_small, x * 0x1p24f, x);
  // x = mantissa * 2^exponent, the mantissa between sqrt(1/2) and sqrt(2)
  const integers exponent = (bits - 0x3f3504f3) >> 23;
  const vector f = (vector)(bits - (exponent << 23)) - 1;
  const vector power = __builtin_convertvector(exponent - (is_small & 24), vector);

  vector p = multiply_add(splat(-0x1.3924cap-4f), f, splat(0x1.05b34ap-3f));
  p = multiply_add(p, f, splat(-0x1.0d9a7cp-3f));
  p = multiply_add(p, f, splat(0x1.22d006p-3f));
  p = multiply_add(p, f, splat(-0x1.546f36p-3f));
  p = multiply_add(p, f, splat(0x1.99a056p-3f));
  p = multiply_add(p, f, splat(-0x1.000232p-2f));
  p = multiply_add(p, f, splat(0x1.555554p-2f));
  const vector square = f * f;
  vector y = multiply_add(p * f, square, power * -0x1.bd0106p-13f);
  y = multiply_add(splat(-0.5f), square, y);
  vector result = multiply_add(power, splat(0x1.63p-1f), f + y);

  result = select(x > FLT_MAX, x, result);
  result = select(x == 0, splat(-__builtin_inff()), result);
  return select(x >= 0, result, splat(__builtin_nanf("")));
}

/// log(1 + x) for 0 <= x <= 1
GRAFT_INLINE vector vector_log_one_plus(vector x) {
  const vector sum = 1 + x;
  // What rounding took from the sum comes back to first order.
  return vector_log(sum) + (x - (sum - 1)) / sum;
}

/// 1 / (1 + exp(-x))
GRAFT_INLINE vector vector_sigmoid(vector x) {
  const integers is_negative = x < 0;
  const vector e = vector_exp(-magnitude(x));
  const vector sum = 1 + e;
  const vector lost = e - (sum - 1);
  const vector quotient = select(is_negative, e, splat(1)) / sum;
  const vector inverse = select(is_negative, 1 - quotient, quotient);
  return multiply_add(-quotient, inverse * lost, quotient);
}

GRAFT_INLINE vector vector_tanh(vector x) {
  const vector a = magnitude(x), square = x * x;
  vector p = multiply_add(splat(0x1.1a2816p-9f), square, splat(-0x1.0c5ed0p-7f));
  p = multiply_add(p, square, splat(0x1.63a550p-6f));
  p = multiply_add(p, square, splat(-0x1.b9f188p-5f));
  p = multiply_add(p, square, splat(0x1.11107ap-3f));
  p = multiply_add(p, square, splat(-0x1.555554p-2f));
  const vector small = multiply_add(p * square, x, x);
  const vector large = 1 - 2 / (vector_exp(2 * a) + 1);
  return select(a < 0.625f, small, with_sign(large, x));
}

GRAFT_INLINE vector vector_erf(vector x) {
  const vector a = magnitude(x), square = x * x;
  vector p = multiply_add(splat(0x1.4d2864p-14f), square, splat(-0x1.a583bcp-11f));
  p = multiply_add(p, square, splat(0x1.543f2ap-8f));
  p = multiply_add(p, square, splat(-0x1.b80062p-6f));
  p = multiply_add(p, square, splat(0x1.ce2d60p-4f));
  p = multiply_add(p, square, splat(-0x1.812740p-2f));
  p = multiply_add(p, square, splat(0x1.06eba8p-3f));
  const vector small = multiply_add(p, x, x);

  // erf = 1 - exp(-q(|x|)), q a fit of -log(erfc); from 3.95 on erf rounds to 1.
  const vector t = at_most(a, 3.95f);
  vector q = multiply_add(splat(0x1.5edf8ep-16f), t, splat(-0x1.c5553cp-12f));
  q = multiply_add(q, t, splat(0x1.10ab52p-8f));
  q = multiply_add(q, t, splat(-0x1.9b19b6p-6f));
  q = multiply_add(q, t, splat(0x1.bb5658p-4f));
  q = multiply_add(q, t, splat(0x1.444b42p-1f));
  q = multiply_add(q, t, splat(0x1.212698p0f));
  q = multiply_add(q, t, splat(-0x1.65abe6p-13f));
  const vector large = 1 - vector_exp(-q);
  return select(a < 0.9f, small, with_sign(large, x));
}
