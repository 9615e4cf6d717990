// Vectors of GRAFT_LANES floats and elementary functions on them, in portable vector arithmetic.
//
// Included once in each file that is written for one instruction set. That file defines
// GRAFT_LANES, defines GRAFT_HAS_FMA if the target has fused multiply-add, and puts the target
// attribute on all functions; GRAFT_HAS_F16C says that it converts float16. The polynomials are minimax fits; with and without FMA the results
// stay within 2 ULP.

#include <float.h>
#include <stdint.h>
#include <string.h>

#include "../convert/rounding.h"

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

/// a * b - product, for a product that was rounded. Exact, unless it is denormal.
GRAFT_INLINE vector product_error(vector a, vector b, vector product) {
#ifdef GRAFT_HAS_FMA
  return __builtin_elementwise_fma(a, b, -product);
#else
  // Products of halves of the bits are exact.
  const vector a_high = (vector)((integers)a & -4096), a_low = a - a_high;
  const vector b_high = (vector)((integers)b & -4096), b_low = b - b_high;
  return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
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

/// The nearest float16, ties to even, as a float.
GRAFT_INLINE vector rounded_to_float16(vector x) {
#ifdef GRAFT_HAS_F16C
  typedef _Float16 halves __attribute__((vector_size(GRAFT_LANES * 2)));
  return __builtin_convertvector(__builtin_convertvector(x, halves), vector);
#else
  for (int lane = 0; lane < GRAFT_LANES; lane++) x[lane] = graft_rounded_to_float16(x[lane]);
  return x;
#endif
}

GRAFT_INLINE vector rounded_to_bfloat16(vector x) {
  for (int lane = 0; lane < GRAFT_LANES; lane++) x[lane] = graft_rounded_to_bfloat16(x[lane]);
  return x;
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

/// x * 2^exponent, for exponents from -252 to 254
GRAFT_INLINE vector scale(vector x, integers exponent) {
  // Two factors, since the power may lie beyond the normal numbers while the product does not.
  const integers half = exponent >> 1;
  return x * power_of_two(half) * power_of_two(exponent - half);
}

GRAFT_INLINE vector vector_exp(vector x) {
  const struct split parts = split_exponent(at_least(at_most(x, 89), -104));
  return scale(1 + exp_minus_one_of_rest(parts.rest), parts.exponent);
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

/// factor / (1 + exp(-(x + low))), where `low` is what rounding took from x.
///
/// The factor goes in before the last scaling, as the quotient alone may be denormal.
GRAFT_INLINE vector scaled_sigmoid(vector factor, vector x, vector low) {
  const integers is_negative = x < 0;
  const vector a = magnitude(x);
  struct split parts = split_exponent(at_least(-a, -174));
  parts.rest -= (vector)((integers)low ^ ((integers)x & INT32_MIN));
  const vector power = exp_minus_one_of_rest(parts.rest);
  const vector e = scale(1 + power, parts.exponent);
  const vector sum = 1 + e;
  // What rounding took from the sum, relative to it: 1 - e / 2 is near enough to its inverse.
  const vector lost = (e - (sum - 1)) * multiply_add(e, splat(-0.5f), splat(1));
  // What the numerator exceeds `factor` by: exp(x) is expanded by exp(x) where x < 0.
  const vector excess = select(is_negative, power, splat(0));
  const vector numerator = multiply_add(factor, excess - lost * (1 + excess), factor);
  return scale(numerator / sum, is_negative & parts.exponent);
}

/// 1 / (1 + exp(-x))
GRAFT_INLINE vector vector_sigmoid(vector x) { return scaled_sigmoid(splat(1), x, splat(0)); }

/// factor / (1 + exp(-(x + low))) for all x: `factor` far above zero, zero far below.
GRAFT_INLINE vector gated(vector factor, vector x, vector low) {
  const vector limit = select(x < 0, splat(0), factor);
  return select(magnitude(x) > 170, limit, scaled_sigmoid(factor, x, low));
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

/// x * (1 + erf(x / sqrt(2))) / 2
GRAFT_INLINE vector vector_gelu(vector x) {
  // The normal distribution's tail beyond a = |x| is exp(-a^2 / 2) * w * q(1 - w), w = 2 / (2 + a).
  const vector limited = at_least(at_most(x, 15), -15);
  const vector a = magnitude(limited), square = limited * limited;
  struct split parts = split_exponent(-0.5f * square);
  parts.rest -= 0.5f * product_error(limited, limited, square);
  const vector w = 2 / (2 + a), v = 1 - w;
  vector q = multiply_add(splat(-0x1.0e7722p-4f), v, splat(0x1.26ccd0p-2f));
  q = multiply_add(q, v, splat(-0x1.fd7b8cp-2f));
  q = multiply_add(q, v, splat(0x1.e00ba0p-2f));
  q = multiply_add(q, v, splat(-0x1.3454e0p-2f));
  q = multiply_add(q, v, splat(0x1.bdd856p-4f));
  q = multiply_add(q, v, splat(-0x1.e3dad8p-8f));
  q = multiply_add(q, v, splat(0x1.d75e96p-5f));
  q = multiply_add(q, v, splat(0x1.58d6a4p-5f));
  q = multiply_add(q, v, splat(-0x1.8831eap-4f));
  q = multiply_add(q, v, splat(-0x1.3108bap-2f));
  // The last steps keep what rounding takes away, for a result within 2 ULP.
  const vector part = q * v, whole = 0.5f + part;
  const vector whole_low = (0.5f - whole) + part + product_error(q, v, part);
  const vector tail = w * whole;
  const vector tail_low = multiply_add(w, whole_low, product_error(w, whole, tail));
  const vector product = limited * tail;
  const vector product_low =
      multiply_add(limited, tail_low, product_error(limited, tail, product));
  const vector lost = multiply_add(-w, 0.5f * a, v);
  const vector excess = exp_minus_one_of_rest(parts.rest) + lost;
  const vector below =
      scale(product + multiply_add(product, excess, product_low), parts.exponent);
  return select(x < 0, below, x - below);
}

/// x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, which is x times the sigmoid of
/// x * (b + c * x^2), in two parts.
GRAFT_INLINE vector vector_gelu_tanh(vector x) {
  const vector limited = at_least(at_most(x, 15), -15);
  const vector b = splat(0x1.988454p0f), b_low = splat(-0x1.857936p-25f);
  const vector c = splat(0x1.2444f2p-4f), c_low = splat(0x1.49b16ap-29f);
  const vector square = limited * limited;
  const vector cubic = c * square;
  vector rest = product_error(c, square, cubic);
  rest = multiply_add(c, product_error(limited, limited, square), rest);
  rest = multiply_add(c_low, square, rest);
  const vector sum = b + cubic;
  const vector taken = sum - b;
  rest = (b - (sum - taken)) + (cubic - taken) + (b_low + rest);
  const vector argument = limited * sum;
  const vector low = multiply_add(limited, rest, product_error(limited, sum, argument));
  return gated(x, argument, low);
}

/// x * sigmoid(alpha * x)
GRAFT_INLINE vector vector_swish(vector x, float alpha) {
  const vector argument = alpha * x;
  return gated(x, argument, product_error(splat(alpha), x, argument));
}

/// x * tanh(log(1 + e)), e = exp(x): the tangent is n / (n + 2) with n = e * (e + 2).
GRAFT_INLINE vector vector_mish(vector x) {
  const struct split parts = split_exponent(at_least(at_most(x, 20), -120));
  const vector power = exp_minus_one_of_rest(parts.rest);
  const vector one_more = 1 + power;
  const vector e = scale(one_more, parts.exponent);
  const vector e_low = scale(power - (one_more - 1), parts.exponent);
  const vector factor = e + 2, factor_low = e - (factor - 2);
  const vector n = e * factor, sum = n + 2;
  const vector sum_low = (n - (sum - 2)) + product_error(e, factor, n) +
                         multiply_add(e, factor_low, 2 * (e + 1) * e_low);
  // The tangent is 1 - rest, with rest = 2 / sum.
  const vector rest = 2 / sum;
  const vector rest_low =
      (0.5f * rest) * (-product_error(rest, sum, rest * sum) + (2 - rest * sum) - rest * sum_low);
  const vector above = x * ((1 - rest) - rest_low);
  // Below zero, x * e * (factor / sum), where e goes in last, as it may be denormal where the
  // result is not.
  const vector gate = factor / sum, gate_sum = gate * sum;
  const vector gate_low = (0.5f * rest) * ((factor - gate_sum) - product_error(gate, sum, gate_sum) +
                                           (factor_low + e_low) - gate * sum_low);
  const vector limited = at_least(x, -120);
  const vector expanded = multiply_add(limited, power, limited);
  const vector below = scale(multiply_add(expanded, gate_low, expanded * gate), parts.exponent);
  return select(x < 0, below, above);
}
