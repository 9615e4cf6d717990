#include "row_width.h"

// One padded row, and the number of columns that each output averages over.
int64_t graft_pool_scratch_count(const graft_pool *pool) {
  return graft_pool_row_width(pool) + pool->output_width + 3 * GRAFT_POOL_SLACK;
}
