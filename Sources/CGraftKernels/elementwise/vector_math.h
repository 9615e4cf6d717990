// Elementary functions on vectors of floats, in portable vector arithmetic. The polynomials are
// minimax fits; with and without FMA the results stay within 2 ULP.

#include "../convert/rounding.h"

#pragma STDC FP_CONTRACT OFF

typedef int32_t integers __attribute__((vector_size(FLOAT_LANES * 4)));

GRAFT_INLINE floats splat(float value) { return value - (floats){0}; }

GRAFT_INLINE floats load_floats(const float *source) {
  floats result;
  memcpy(&result, source, sizeof result);
  return result;
}

GRAFT_INLINE void store_floats(float *destination, floats value) {
  memcpy(destination, &value, sizeof value);
}

/// a * b + c
GRAFT_INLINE floats product_sum(floats a, floats b, floats c) {
#if HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

/// a * b - product, for a product that was rounded. Exact, unless it is denormal.
GRAFT_INLINE floats product_error(floats a, floats b, floats product) {
#if HAS_FMA
  return __builtin_elementwise_fma(a, b, -product);
#else
  // Products of halves of the bits are exact.
  const floats a_high = (floats)((integers)a & -4096), a_low = a - a_high;
  const floats b_high = (floats)((integers)b & -4096), b_low = b - b_high;
  return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
#endif
}

/// `mask ? yes : no`, for the result of a comparison.
GRAFT_INLINE floats select(integers mask, floats yes, floats no) {
  return (floats)((mask & (integers)yes) | (~mask & (integers)no));
}

/// NaN in `x` stays NaN.
GRAFT_INLINE floats at_least(floats x, float bound) { return select(x < bound, splat(bound), x); }

/// NaN in `x` stays NaN.
GRAFT_INLINE floats at_most(floats x, float bound) { return select(x > bound, splat(bound), x); }

GRAFT_INLINE floats magnitude(floats x) { return (floats)((integers)x & INT32_MAX); }

/// `x` with the sign of `sign`; `x` must not be negative.
GRAFT_INLINE floats with_sign(floats x, floats sign) {
  return (floats)((integers)x | ((integers)sign & INT32_MIN));
}

/// The nearest float16, ties to even, as a float.
GRAFT_INLINE floats rounded_to_float16(floats x) {
#if HAS_F16C
  typedef _Float16 halves __attribute__((vector_size(FLOAT_LANES * 2)));
  return __builtin_convertvector(__builtin_convertvector(x, halves), floats);
#else
  for (int lane = 0; lane < FLOAT_LANES; lane++) x[lane] = graft_rounded_to_float16(x[lane]);
  return x;
#endif
}

GRAFT_INLINE floats rounded_to_bfloat16(floats x) {
  for (int lane = 0; lane < FLOAT_LANES; lane++) x[lane] = graft_rounded_to_bfloat16(x[lane]);
  return x;
}

/// An exponential's argument, split: x = exponent * ln 2 + rest, |rest| <= ln 2 / 2.
struct split {
  integers exponent;
  floats rest;
};

GRAFT_INLINE struct split split_exponent(floats x) {
  // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
  const floats magic = splat(0x1.8p23f);
  const floats shifted = product_sum(x, splat(0x1.715476p0f), magic);
  const floats exponent = shifted - magic;
  // ln 2 in two parts; products with the first, which has few bits, are exact.
  floats rest = product_sum(exponent, splat(-0x1.63p-1f), x);
  rest = product_sum(exponent, splat(0x1.bd0106p-13f), rest);
  return (struct split){(integers)shifted - (integers)magic, rest};
}

/// exp(r) - 1 for |r| <= ln 2 / 2
GRAFT_INLINE floats exp_minus_one_of_rest(floats r) {
  floats p = product_sum(splat(0x1.6d815ep-10f), r, splat(0x1.123f90p-7f));
  p = product_sum(p, r, splat(0x1.5554bap-5f));
  p = product_sum(p, r, splat(0x1.55548ap-3f));
  p = product_sum(p, r, splat(0.5f));
  return product_sum(p, r * r, r);
}

/// 2^exponent, for exponents of normal numbers
GRAFT_INLINE floats power_of_two(integers exponent) { return (floats)((exponent + 127) << 23); }

/// x * 2^exponent, for exponents from -252 to 254
GRAFT_INLINE floats scale(floats x, integers exponent) {
  // Two factors, since the power may be out of range even if the product is not.
  const integers half = exponent >> 1;
  return x * power_of_two(half) * power_of_two(exponent - half);
}

GRAFT_INLINE floats vector_exp(floats x) {
  const struct split parts = split_exponent(at_least(at_most(x, 89), -104));
  return scale(1 + exp_minus_one_of_rest(parts.rest), parts.exponent);
}

/// exp(x) - 1 for x <= 0
GRAFT_INLINE floats vector_exp_minus_one(floats x) {
  const struct split parts = split_exponent(at_least(x, -25));
  const floats scale = power_of_two(parts.exponent);
  return product_sum(scale, exp_minus_one_of_rest(parts.rest), scale - 1);
}

GRAFT_INLINE floats vector_log(floats x) {
  const integers is_small = x < FLT_MIN;
  const integers bits = (integers)select(is_small, x * 0x1p24f, x);
  // x = mantissa * 2^exponent, the mantissa between sqrt(1/2) and sqrt(2)
  const integers exponent = (bits - 0x3f3504f3) >> 23;
  const floats f = (floats)(bits - (exponent << 23)) - 1;
  const floats power = __builtin_convertvector(exponent - (is_small & 24), floats);

  floats p = product_sum(splat(-0x1.3924cap-4f), f, splat(0x1.05b34ap-3f));
  p = product_sum(p, f, splat(-0x1.0d9a7cp-3f));
  p = product_sum(p, f, splat(0x1.22d006p-3f));
  p = product_sum(p, f, splat(-0x1.546f36p-3f));
  p = product_sum(p, f, splat(0x1.99a056p-3f));
  p = product_sum(p, f, splat(-0x1.000232p-2f));
  p = product_sum(p, f, splat(0x1.555554p-2f));
  const floats square = f * f;
  floats y = product_sum(p * f, square, power * -0x1.bd0106p-13f);
  y = product_sum(splat(-0.5f), square, y);
  floats result = product_sum(power, splat(0x1.63p-1f), f + y);

  result = select(x > FLT_MAX, x, result);
  result = select(x == 0, splat(-__builtin_inff()), result);
  return select(x >= 0, result, splat(__builtin_nanf("")));
}

/// log(1 + x) for 0 <= x <= 1
GRAFT_INLINE floats vector_log_one_plus(floats x) {
  const floats sum = 1 + x;
  // Adds the rounding error of the sum back, to first order.
  return vector_log(sum) + (x - (sum - 1)) / sum;
}

/// factor / (1 + exp(-(x + low))), where `low` is the rounding error of x.
///
/// The factor is applied before the last scaling, as the quotient alone may be denormal.
GRAFT_INLINE floats scaled_sigmoid(floats factor, floats x, floats low) {
  const integers is_negative = x < 0;
  const floats a = magnitude(x);
  struct split parts = split_exponent(at_least(-a, -174));
  parts.rest -= (floats)((integers)low ^ ((integers)x & INT32_MIN));
  const floats power = exp_minus_one_of_rest(parts.rest);
  const floats e = scale(1 + power, parts.exponent);
  const floats sum = 1 + e;
  // The relative rounding error of the sum: 1 - e / 2 approximates its inverse well enough.
  const floats lost = (e - (sum - 1)) * product_sum(e, splat(-0.5f), splat(1));
  // The excess of the numerator over `factor`: exp(x) is expanded by exp(x) where x < 0.
  const floats excess = select(is_negative, power, splat(0));
  const floats numerator = product_sum(factor, excess - lost * (1 + excess), factor);
  return scale(numerator / sum, is_negative & parts.exponent);
}

/// 1 / (1 + exp(-x))
GRAFT_INLINE floats vector_sigmoid(floats x) { return scaled_sigmoid(splat(1), x, splat(0)); }

/// factor / (1 + exp(-(x + low))) for all x: `factor` far above zero, zero far below.
GRAFT_INLINE floats gated(floats factor, floats x, floats low) {
  const floats limit = select(x < 0, splat(0), factor);
  return select(magnitude(x) > 170, limit, scaled_sigmoid(factor, x, low));
}

GRAFT_INLINE floats vector_tanh(floats x) {
  const floats a = magnitude(x), square = x * x;
  floats p = product_sum(splat(0x1.1a2816p-9f), square, splat(-0x1.0c5ed0p-7f));
  p = product_sum(p, square, splat(0x1.63a550p-6f));
  p = product_sum(p, square, splat(-0x1.b9f188p-5f));
  p = product_sum(p, square, splat(0x1.11107ap-3f));
  p = product_sum(p, square, splat(-0x1.555554p-2f));
  const floats small = product_sum(p * square, x, x);
  const floats large = 1 - 2 / (vector_exp(2 * a) + 1);
  return select(a < 0.625f, small, with_sign(large, x));
}

GRAFT_INLINE floats vector_erf(floats x) {
  const floats a = magnitude(x), square = x * x;
  floats p = product_sum(splat(0x1.4d2864p-14f), square, splat(-0x1.a583bcp-11f));
  p = product_sum(p, square, splat(0x1.543f2ap-8f));
  p = product_sum(p, square, splat(-0x1.b80062p-6f));
  p = product_sum(p, square, splat(0x1.ce2d60p-4f));
  p = product_sum(p, square, splat(-0x1.812740p-2f));
  p = product_sum(p, square, splat(0x1.06eba8p-3f));
  const floats small = product_sum(p, x, x);

  // erf = 1 - exp(-q(|x|)), q a fit of -log(erfc); from 3.95 on erf rounds to 1.
  const floats t = at_most(a, 3.95f);
  floats q = product_sum(splat(0x1.5edf8ep-16f), t, splat(-0x1.c5553cp-12f));
  q = product_sum(q, t, splat(0x1.10ab52p-8f));
  q = product_sum(q, t, splat(-0x1.9b19b6p-6f));
  q = product_sum(q, t, splat(0x1.bb5658p-4f));
  q = product_sum(q, t, splat(0x1.444b42p-1f));
  q = product_sum(q, t, splat(0x1.212698p0f));
  q = product_sum(q, t, splat(-0x1.65abe6p-13f));
  const floats large = 1 - vector_exp(-q);
  return select(a < 0.9f, small, with_sign(large, x));
}

// clang-format off
#define EACH_ONE _Pragma("clang loop unroll(full)") for (int i = 0; i < count; i++)
// clang-format on

/// x * (1 + erf(x / sqrt(2))) / 2 of one vector or a few, whose steps alternate: a step of one
/// alone waits for the step before it.
GRAFT_INLINE void vector_gelu(floats *x, const int count) {
  static const float factors[] = {
      0x1.26ccd0p-2f,  -0x1.fd7b8cp-2f, 0x1.e00ba0p-2f, -0x1.3454e0p-2f, 0x1.bdd856p-4f,
      -0x1.e3dad8p-8f, 0x1.d75e96p-5f,  0x1.58d6a4p-5f, -0x1.8831eap-4f, -0x1.3108bap-2f,
  };
  enum { FACTOR_COUNT = sizeof factors / sizeof *factors, MOST = 4 };
  // The normal distribution's tail beyond a = |x| is exp(-a^2 / 2) * w * q(1 - w), w = 2 / (2 + a).
  floats limited[MOST], w[MOST], v[MOST], lost[MOST], q[MOST];
  struct split parts[MOST];
  EACH_ONE {
    limited[i] = at_least(at_most(x[i], 15), -15);
    const floats a = magnitude(limited[i]);
    w[i] = 2 / (2 + a);
    v[i] = 1 - w[i];
    lost[i] = product_sum(-w[i], 0.5f * a, v[i]);
    q[i] = splat(-0x1.0e7722p-4f);
  }
#pragma clang loop unroll(disable)
  for (int factor = 0; factor < FACTOR_COUNT; factor++)
    EACH_ONE q[i] = product_sum(q[i], v[i], splat(factors[factor]));
  EACH_ONE {
    const floats square = limited[i] * limited[i];
    parts[i] = split_exponent(-0.5f * square);
    parts[i].rest -= 0.5f * product_error(limited[i], limited[i], square);
  }
  EACH_ONE {
    // The last steps include rounding errors, for a result within 2 ULP.
    const floats part = q[i] * v[i], whole = 0.5f + part;
    const floats whole_low = (0.5f - whole) + part + product_error(q[i], v[i], part);
    const floats tail = w[i] * whole;
    const floats tail_low = product_sum(w[i], whole_low, product_error(w[i], whole, tail));
    const floats product = limited[i] * tail;
    const floats product_low =
        product_sum(limited[i], tail_low, product_error(limited[i], tail, product));
    const floats excess = exp_minus_one_of_rest(parts[i].rest) + lost[i];
    const floats below =
        scale(product + product_sum(product, excess, product_low), parts[i].exponent);
    x[i] = select(x[i] < 0, below, x[i] - below);
  }
}
#undef EACH_ONE

/// x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, which is x times the sigmoid of
/// x * (b + c * x^2), in two parts.
GRAFT_INLINE floats vector_gelu_tanh(floats x) {
  const floats limited = at_least(at_most(x, 15), -15);
  const floats b = splat(0x1.988454p0f), b_low = splat(-0x1.857936p-25f);
  const floats c = splat(0x1.2444f2p-4f), c_low = splat(0x1.49b16ap-29f);
  const floats square = limited * limited;
  const floats cubic = c * square;
  floats rest = product_error(c, square, cubic);
  rest = product_sum(c, product_error(limited, limited, square), rest);
  rest = product_sum(c_low, square, rest);
  const floats sum = b + cubic;
  const floats taken = sum - b;
  rest = (b - (sum - taken)) + (cubic - taken) + (b_low + rest);
  const floats argument = limited * sum;
  const floats low = product_sum(limited, rest, product_error(limited, sum, argument));
  return gated(x, argument, low);
}

/// x * sigmoid(alpha * x)
GRAFT_INLINE floats vector_swish(floats x, float alpha) {
  const floats argument = alpha * x;
  return gated(x, argument, product_error(splat(alpha), x, argument));
}

/// x * tanh(log(1 + e)), e = exp(x): the tangent is n / (n + 2) with n = e * (e + 2).
GRAFT_INLINE floats vector_mish(floats x) {
  const struct split parts = split_exponent(at_least(at_most(x, 20), -120));
  const floats power = exp_minus_one_of_rest(parts.rest);
  const floats one_more = 1 + power;
  const floats e = scale(one_more, parts.exponent);
  const floats e_low = scale(power - (one_more - 1), parts.exponent);
  const floats factor = e + 2, factor_low = e - (factor - 2);
  const floats n = e * factor, sum = n + 2;
  const floats sum_low = (n - (sum - 2)) + product_error(e, factor, n) +
                         product_sum(e, factor_low, 2 * (e + 1) * e_low);
  // The tangent is 1 - rest, with rest = 2 / sum.
  const floats rest = 2 / sum;
  const floats rest_low =
      (0.5f * rest) * (-product_error(rest, sum, rest * sum) + (2 - rest * sum) - rest * sum_low);
  const floats above = x * ((1 - rest) - rest_low);
  // Below zero, x * e * (factor / sum), with e multiplied last, as it may be denormal even if the
  // result is not.
  const floats gate = factor / sum, gate_sum = gate * sum;
  const floats gate_low =
      (0.5f * rest) * ((factor - gate_sum) - product_error(gate, sum, gate_sum) +
                       (factor_low + e_low) - gate * sum_low);
  const floats limited = at_least(x, -120);
  const floats expanded = product_sum(limited, power, limited);
  const floats below = scale(product_sum(expanded, gate_low, expanded * gate), parts.exponent);
  return select(x < 0, below, above);
}
