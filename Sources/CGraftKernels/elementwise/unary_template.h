// Unary functions: see graft_unary.h.

#include "vector_math.h"

/// Defines `name` by a vector expression of `x`, `alpha` and `beta`. An incomplete vector is padded
/// with zeros and computed by the same instructions.
#define UNARY(name, expression)                                                                \
  GRAFT_INLINE floats name##_of(floats x, float alpha, float beta) {                           \
    (void)alpha, (void)beta;                                                                   \
    return expression;                                                                         \
  }                                                                                            \
  static void name##_kernel(const float *x, float *y, size_t count, float alpha, float beta) { \
    size_t i = 0;                                                                              \
    for (; count - i >= FLOAT_LANES; i += FLOAT_LANES)                                         \
      store_floats(y + i, name##_of(load_floats(x + i), alpha, beta));                         \
    if (i == count) return;                                                                    \
    floats rest = {0};                                                                         \
    memcpy(&rest, x + i, (count - i) * sizeof *x);                                             \
    rest = name##_of(rest, alpha, beta);                                                       \
    memcpy(y + i, &rest, (count - i) * sizeof *y);                                             \
  }

GRAFT_INLINE floats clamp(floats x, float low, float high) {
  return at_most(at_least(x, low), high);
}

// clang-format off: products in arguments look like pointers to it.
UNARY(absolute, magnitude(x))
UNARY(ceil, __builtin_elementwise_ceil(x))
UNARY(celu, select(x < 0, alpha * vector_exp_minus_one(x / alpha), x))
UNARY(clip, clamp(x, alpha, beta))
UNARY(elu, select(x < 0, alpha * vector_exp_minus_one(x), x))
UNARY(erf, vector_erf(x))
UNARY(exp, vector_exp(x))
UNARY(floor, __builtin_elementwise_floor(x))
UNARY(gelu_tanh, vector_gelu_tanh(x))
UNARY(hard_sigmoid, clamp(alpha * x + beta, 0, 1))
UNARY(hard_swish, x * clamp(x * 0x1.555556p-3f + 0.5f, 0, 1))
UNARY(leaky_relu, select(x < 0, alpha * x, x))
UNARY(log, vector_log(x))
UNARY(mish, vector_mish(x))
UNARY(negate, -x)
UNARY(reciprocal, 1 / x)
UNARY(relu, at_least(x, 0))
UNARY(round, __builtin_elementwise_roundeven(x))
UNARY(round_to_bfloat16, rounded_to_bfloat16(x))
UNARY(round_to_float16, rounded_to_float16(x))
UNARY(selu, beta * select(x < 0, alpha * vector_exp_minus_one(x), x))
UNARY(shrink, select(x < -alpha, x + beta, select(x > alpha, x - beta, splat(0))))
UNARY(sigmoid, vector_sigmoid(x))
UNARY(sign, select(x > 0, splat(1), select(x < 0, splat(-1), x)))
UNARY(softplus, at_least(x, 0) + vector_log_one_plus(vector_exp(-magnitude(x))))
UNARY(softsign, x / (1 + magnitude(x)))
UNARY(sqrt, __builtin_elementwise_sqrt(x))
UNARY(swish, vector_swish(x, alpha))
UNARY(tanh, vector_tanh(x))
UNARY(thresholded_relu, select(x > alpha, x, splat(0)))
// clang-format on

GRAFT_INLINE floats gelu_of(floats x, float alpha, float beta) {
  (void)alpha, (void)beta;
  vector_gelu(&x, 1);
  return x;
}

static void gelu_kernel(const float *x, float *y, size_t count, float alpha, float beta) {
  enum { STEP = 2 };
  size_t i = 0;
  for (; count - i >= STEP * FLOAT_LANES; i += STEP * FLOAT_LANES) {
    floats values[STEP];
    for (size_t v = 0; v < STEP; v++) values[v] = load_floats(x + i + v * FLOAT_LANES);
    vector_gelu(values, STEP);
    for (size_t v = 0; v < STEP; v++) store_floats(y + i + v * FLOAT_LANES, values[v]);
  }
  for (; i < count; i += FLOAT_LANES) {
    const size_t left = count - i < FLOAT_LANES ? count - i : FLOAT_LANES;
    floats rest = {0};
    memcpy(&rest, x + i, left * sizeof *x);
    rest = gelu_of(rest, alpha, beta);
    memcpy(y + i, &rest, left * sizeof *y);
  }
}

static const graft_unary_table unary_table = {
    .absolute = absolute_kernel,
    .ceil = ceil_kernel,
    .celu = celu_kernel,
    .clip = clip_kernel,
    .elu = elu_kernel,
    .erf = erf_kernel,
    .exp = exp_kernel,
    .floor = floor_kernel,
    .gelu = gelu_kernel,
    .gelu_tanh = gelu_tanh_kernel,
    .hard_sigmoid = hard_sigmoid_kernel,
    .hard_swish = hard_swish_kernel,
    .leaky_relu = leaky_relu_kernel,
    .log = log_kernel,
    .mish = mish_kernel,
    .negate = negate_kernel,
    .reciprocal = reciprocal_kernel,
    .relu = relu_kernel,
    .round = round_kernel,
    .round_to_bfloat16 = round_to_bfloat16_kernel,
    .round_to_float16 = round_to_float16_kernel,
    .selu = selu_kernel,
    .shrink = shrink_kernel,
    .sigmoid = sigmoid_kernel,
    .sign = sign_kernel,
    .softplus = softplus_kernel,
    .softsign = softsign_kernel,
    .sqrt = sqrt_kernel,
    .swish = swish_kernel,
    .tanh = tanh_kernel,
    .thresholded_relu = thresholded_relu_kernel,
};

#pragma STDC FP_CONTRACT DEFAULT
