#ifndef GRAFT_POOL_TABLE_H
#define GRAFT_POOL_TABLE_H

#include "graft_pool.h"

/// The family's functions for one instruction set.
typedef struct {
  void (*max_pool)(
      const graft_pool *, const float *x, float *y, int64_t first_row, int64_t past_row,
      float *scratch);
  void (*average_pool)(
      const graft_pool *, const float *x, float *y, int64_t first_row, int64_t past_row,
      float *scratch);
  void (*global_average_pool)(const float *x, float *y, int64_t plane_count, int64_t count);
} graft_pool_table;

extern const graft_pool_table graft_pool_scalar;
extern const graft_pool_table graft_pool_avx2;
extern const graft_pool_table graft_pool_avx512;

/// Floats behind a padded row that vectors may read.
enum { GRAFT_POOL_SLACK = 32 };

/// Length of a row with its padding, as far as windows reach.
static inline int64_t graft_pool_row_width(const graft_pool *pool) {
  const int64_t input_end = pool->pad_left + pool->input_width;
  const int64_t window_end = (pool->output_width - 1) * pool->stride_width +
                             (pool->kernel_width - 1) * pool->dilation_width + 1;
  return input_end > window_end ? input_end : window_end;
}

#endif
