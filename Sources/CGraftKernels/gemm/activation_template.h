// Activations for one floating-point type; for the required definitions see gemm_tile_template.h.

#if IS_FLOATING
#include "../convert/rounding.h"

#if !defined(GRAFT_FAST_EXPONENTIAL)
#define GRAFT_FAST_EXPONENTIAL

/// e to the x, for vectorised loops: within 2 units in the last place; 0 below -86.6, infinity
/// above 88.7.
GRAFT_INLINE float graft_exponential(float x) {
  const float log2_e = 1.44269504f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  // Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
  const float magic = 12582912.0f;
  const float clamped = x < -86.6f ? -86.6f : (x > 88.7f ? 88.7f : x);
  const float shifted = clamped * log2_e + magic;
  const float n = shifted - magic;
  const float r = (clamped - n * ln2_high) - n * ln2_low;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t bits, power;
  memcpy(&bits, &shifted, sizeof bits);
  power = (bits << 23) + 0x3f800000u;
  // 2^128 is not a float: halve the power and double the product.
  const uint32_t halved = power - 0x00800000u;
  float scale;
  memcpy(&scale, &halved, sizeof scale);
  const float result = p * scale * 2.0f;
  const float low_checked = x < -86.6f ? 0.0f : result;
  const float checked = x > 88.7f ? __builtin_inff() : low_checked;
  return x != x ? x : checked;
}
#endif

GRAFT_INLINE ELEMENT NAME(exponential)(ELEMENT x) {
  return sizeof x == sizeof(float) ? (ELEMENT)graft_exponential((float)x) : (ELEMENT)exp(x);
}

GRAFT_INLINE ELEMENT NAME(clamp)(ELEMENT x, ELEMENT lowest, ELEMENT highest) {
  const ELEMENT raised = x < lowest ? lowest : x;
  return raised > highest ? highest : raised;
}

/// Rounds floats according to GRAFT_ROUNDING_…; doubles are never rounded.
static void NAME(round_results)(int32_t rounding, ELEMENT *results, ptrdiff_t count) {
  if (rounding == GRAFT_ROUNDING_NONE || sizeof *results != sizeof(float)) return;
  float *x = (float *)results;
  if (rounding == GRAFT_ROUNDING_BFLOAT16) {
    for (ptrdiff_t i = 0; i < count; i++) x[i] = graft_rounded_to_bfloat16(x[i]);
    return;
  }
  ptrdiff_t i = 0;
#if HAS_F16C
  typedef float floats __attribute__((ext_vector_type(8)));
  typedef _Float16 halves __attribute__((ext_vector_type(8)));
  for (; i + 8 <= count; i += 8) {
    floats values;
    memcpy(&values, x + i, sizeof values);
    values = __builtin_convertvector(__builtin_convertvector(values, halves), floats);
    memcpy(x + i, &values, sizeof values);
  }
#endif
  for (; i < count; i++) x[i] = graft_rounded_to_float16(x[i]);
}

/// x times the normal distribution's function of x, or its approximation.
static void NAME(gelu)(ELEMENT *x, ptrdiff_t count, int is_approximate) {
  if (sizeof *x == sizeof(float)) {
    float *y = (float *)x;
    (is_approximate ? gelu_tanh_kernel : gelu_kernel)(y, y, (size_t)count, 0, 0);
    return;
  }
  for (ptrdiff_t i = 0; i < count; i++) {
    const double value = (double)x[i];
    const double gate = is_approximate
                            ? tanh(0.7978845608028654 * (value + 0.044715 * value * value * value))
                            : erf(value * 0.7071067811865476);
    x[i] = (ELEMENT)(0.5 * value * (1 + gate));
  }
}

static void NAME(activate)(const graft_activation *activation, ELEMENT *x, ptrdiff_t count) {
  const ELEMENT alpha = (ELEMENT)activation->alpha, beta = (ELEMENT)activation->beta;
  const ELEMENT one = 1, zero = 0;
  switch (activation->kind) {
    case GRAFT_ACTIVATION_CLAMP:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = NAME(clamp)(x[i], alpha, beta);
      break;
    case GRAFT_ACTIVATION_LEAKY_RELU:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = x[i] < zero ? alpha * x[i] : x[i];
      break;
    case GRAFT_ACTIVATION_HARD_SIGMOID:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = NAME(clamp)(alpha * x[i] + beta, zero, one);
      break;
    case GRAFT_ACTIVATION_HARD_SWISH:
      for (ptrdiff_t i = 0; i < count; i++)
        x[i] *= NAME(clamp)(x[i] * (ELEMENT)(1.0 / 6) + (ELEMENT)0.5, zero, one);
      break;
    case GRAFT_ACTIVATION_SIGMOID:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = one / (one + NAME(exponential)(-x[i]));
      break;
    case GRAFT_ACTIVATION_SWISH:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = x[i] / (one + NAME(exponential)(-alpha * x[i]));
      break;
    case GRAFT_ACTIVATION_TANH:
      for (ptrdiff_t i = 0; i < count; i++) x[i] = (ELEMENT)tanh(x[i]);
      break;
    case GRAFT_ACTIVATION_GELU: NAME(gelu)(x, count, alpha != zero); break;
    default: break;
  }
  NAME(round_results)(activation->rounding, x, count);
}

/// Whether clamping the results completes the activation.
static inline int NAME(only_clamps)(const graft_activation *activation) {
  return activation->kind == GRAFT_ACTIVATION_CLAMP && activation->rounding == GRAFT_ROUNDING_NONE;
}

/// Applies the rest of the activation to results that are already clamped.
static void NAME(finish)(const graft_activation *activation, ELEMENT *x, ptrdiff_t count) {
  if (activation->kind == GRAFT_ACTIVATION_CLAMP)
    NAME(round_results)(activation->rounding, x, count);
  else
    NAME(activate)(activation, x, count);
}

#endif
