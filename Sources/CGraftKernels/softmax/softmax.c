#include "graft_cpu.h"
#include "softmax_table.h"

static const graft_softmax_table *table(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_softmax_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_softmax_avx2;
#endif
  (void)instruction_set;
  return &graft_softmax_scalar;
}

void graft_softmax_rows(
    int32_t instruction_set, const float *x, float *y, int64_t row_count, int64_t length,
    int32_t is_logarithm) {
  table(instruction_set)->rows(x, y, row_count, length, is_logarithm);
}

void graft_softmax_columns(
    int32_t instruction_set, const float *x, float *y, int64_t column_count, int64_t length,
    int64_t stride, int32_t is_logarithm) {
  table(instruction_set)->columns(x, y, column_count, length, stride, is_logarithm);
}
