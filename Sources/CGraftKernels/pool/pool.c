#include "graft_cpu.h"
#include "pool_table.h"

static const graft_pool_table *table(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_pool_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_pool_avx2;
#endif
  (void)instruction_set;
  return &graft_pool_scalar;
}

// One padded row, and the number of columns that each output averages over.
int64_t graft_pool_scratch_count(const graft_pool *pool) {
  return graft_pool_row_width(pool) + pool->output_width + 3 * GRAFT_POOL_SLACK;
}

void graft_max_pool(
    int32_t instruction_set, const graft_pool *pool, const float *x, float *y, int64_t first_row,
    int64_t past_row, float *scratch) {
  table(instruction_set)->max_pool(pool, x, y, first_row, past_row, scratch);
}

void graft_average_pool(
    int32_t instruction_set, const graft_pool *pool, const float *x, float *y, int64_t first_row,
    int64_t past_row, float *scratch) {
  table(instruction_set)->average_pool(pool, x, y, first_row, past_row, scratch);
}

void graft_global_average_pool(
    int32_t instruction_set, const float *x, float *y, int64_t plane_count, int64_t count) {
  table(instruction_set)->global_average_pool(x, y, plane_count, count);
}
