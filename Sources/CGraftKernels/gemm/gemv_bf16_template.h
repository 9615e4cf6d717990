// Products of few rows of floats with a bfloat16 matrix, whose elements are widened when read:
// memory bandwidth is the limit. Needs gemm_template.h, for floats.

typedef uint16_t unaligned_bf16 __attribute__((aligned(1)));
typedef uint16_t brains __attribute__((vector_size(2 * LANES)));
typedef uint16_t unaligned_brains __attribute__((vector_size(2 * LANES), aligned(1)));
typedef uint32_t brain_words __attribute__((vector_size(4 * LANES)));

GRAFT_INLINE NAME(vector) widened_bf16(const unaligned_bf16 *address) {
  const brains bits = *(const unaligned_brains *)address;
  return (NAME(vector))(__builtin_convertvector(bits, brain_words) << 16);
}

GRAFT_INLINE float widened_element_bf16(const unaligned_bf16 *address) {
  const uint32_t bits = (uint32_t)*address << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#define WEIGHT unaligned_bf16
#define LOAD_WEIGHTS(address) widened_bf16(address)
#define LOAD_WEIGHT(address) widened_element_bf16(address)
#define WEIGHT_NAME(base) base##_bf16
#include "gemv_weights_template.h"
#undef WEIGHT
#undef LOAD_WEIGHTS
#undef LOAD_WEIGHT
#undef WEIGHT_NAME
