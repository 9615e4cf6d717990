#ifndef GRAFT_POOL_ROW_WIDTH_H
#define GRAFT_POOL_ROW_WIDTH_H

#include "graft_pool.h"

/// The floats after a padded row that vectors may read.
enum { GRAFT_POOL_SLACK = 32 };

/// The length of a row with its padding, as far as windows reach.
static inline int64_t graft_pool_row_width(const graft_pool *pool) {
  const int64_t input_end = pool->pad_left + pool->input_width;
  const int64_t window_end = (pool->output_width - 1) * pool->stride_width +
                             (pool->kernel_width - 1) * pool->dilation_width + 1;
  return input_end > window_end ? input_end : window_end;
}

#endif
