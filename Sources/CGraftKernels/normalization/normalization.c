#include "graft_cpu.h"
#include "normalization_table.h"

static const graft_normalization_table *table(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_normalization_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_normalization_avx2;
#endif
  (void)instruction_set;
  return &graft_normalization_scalar;
}

double graft_sum(int32_t instruction_set, const float *x, int64_t count) {
  return table(instruction_set)->sum(x, count);
}

double graft_sum_squared_deviations(
    int32_t instruction_set, const float *x, int64_t count, float mean) {
  return table(instruction_set)->sum_squared_deviations(x, count, mean);
}

void graft_normalize(
    int32_t instruction_set, const float *x, float *y, int64_t count, float mean, float scale,
    float shift) {
  table(instruction_set)->normalize(x, y, count, mean, scale, shift);
}

void graft_normalize_each(
    int32_t instruction_set, const float *x, float *y, int64_t count, float mean, float scale,
    const float *scales, const float *shifts) {
  table(instruction_set)->normalize_each(x, y, count, mean, scale, scales, shifts);
}

void graft_normalize_elements(
    int32_t instruction_set, const float *x, float *y, int64_t count, const float *means,
    const float *scales, const float *shifts) {
  table(instruction_set)->normalize_elements(x, y, count, means, scales, shifts);
}
