// The table of unary functions for the instruction set that the including file chose: see
// vector_math.h. GRAFT_TABLE is the name of the table to define.

#include "graft_unary.h"
#include "vector_math.h"

/// Defines `name` from a vector expression of `x`, `alpha` and `beta`. What does not fill a vector
/// is computed in one that is padded with zeros, by the same instructions.
#define GRAFT_UNARY(name, expression)                                                  \
  GRAFT_INLINE vector name##_of(vector x, float alpha, float beta) {                   \
    (void)alpha, (void)beta;                                                           \
    return expression;                                                                 \
  }                                                                                    \
  static void name##_kernel(const float *x, float *y, size_t count, float alpha,       \
                            float beta) {                                              \
    size_t i = 0;                                                                      \
    for (; count - i >= GRAFT_LANES; i += GRAFT_LANES)                                 \
      store(y + i, name##_of(load(x + i), alpha, beta));                               \
    if (i == count) return;                                                            \
    vector rest = {0};                                                                 \
    memcpy(&rest, x + i, (count - i) * sizeof *x);                                     \
    rest = name##_of(rest, alpha, beta);                                               \
    memcpy(y + i, &rest, (count - i) * sizeof *y);                                     \
  }

GRAFT_INLINE vector clamp(vector x, float low, float high) {
  return at_most(at_least(x, low), high);
}

GRAFT_UNARY(absolute, magnitude(x))
GRAFT_UNARY(ceil, __builtin_elementwise_ceil(x))
GRAFT_UNARY(celu, select(x < 0, alpha * vector_exp_minus_one(x / alpha), x))
GRAFT_UNARY(clip, clamp(x, alpha, beta))
GRAFT_UNARY(elu, select(x < 0, alpha * vector_exp_minus_one(x), x))
GRAFT_UNARY(erf, vector_erf(x))
GRAFT_UNARY(exp, vector_exp(x))
GRAFT_UNARY(floor, __builtin_elementwise_floor(x))
GRAFT_UNARY(gelu, vector_gelu(x))
GRAFT_UNARY(gelu_tanh, vector_gelu_tanh(x))
GRAFT_UNARY(hard_sigmoid, clamp(alpha * x + beta, 0, 1))
GRAFT_UNARY(hard_swish, x * clamp(x * 0x1.555556p-3f + 0.5f, 0, 1))
GRAFT_UNARY(leaky_relu, select(x < 0, alpha * x, x))
GRAFT_UNARY(log, vector_log(x))
GRAFT_UNARY(mish, vector_mish(x))
GRAFT_UNARY(negate, -x)
GRAFT_UNARY(reciprocal, 1 / x)
GRAFT_UNARY(relu, at_least(x, 0))
GRAFT_UNARY(round, __builtin_elementwise_roundeven(x))
GRAFT_UNARY(round_to_bfloat16, rounded_to_bfloat16(x))
GRAFT_UNARY(round_to_float16, rounded_to_float16(x))
GRAFT_UNARY(selu, beta * select(x < 0, alpha * vector_exp_minus_one(x), x))
GRAFT_UNARY(shrink, select(x < -alpha, x + beta, select(x > alpha, x - beta, splat(0))))
GRAFT_UNARY(sigmoid, vector_sigmoid(x))
GRAFT_UNARY(sign, select(x > 0, splat(1), select(x < 0, splat(-1), x)))
GRAFT_UNARY(softplus, at_least(x, 0) + vector_log_one_plus(vector_exp(-magnitude(x))))
GRAFT_UNARY(softsign, x / (1 + magnitude(x)))
GRAFT_UNARY(sqrt, __builtin_elementwise_sqrt(x))
GRAFT_UNARY(swish, vector_swish(x, alpha))
GRAFT_UNARY(tanh, vector_tanh(x))
GRAFT_UNARY(thresholded_relu, select(x > alpha, x, splat(0)))

const struct graft_unary_table GRAFT_TABLE = {
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
