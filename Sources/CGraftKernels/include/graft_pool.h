#ifndef GRAFT_POOL_H
#define GRAFT_POOL_H

#include <stdint.h>

/// The windows over planes [H, W] of floats; lengths in elements.
typedef struct {
  int64_t input_height, input_width;
  int64_t output_height, output_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_height, stride_width;
  int64_t dilation_height, dilation_width;
  int64_t pad_top, pad_left, pad_bottom, pad_right;
  /// Whether an average's divisor includes the padding elements.
  int32_t counts_padding;
} graft_pool;

/// The floats of scratch memory that pools need for one call.
int64_t graft_pool_scratch_count(const graft_pool *pool);

/// Rows `first_row ..< past_row` of the outputs of all planes, numbered through all planes: row `r`
/// is row `r % output_height` of plane `r / output_height`. `x` and `y` point to the first plane.
typedef void (*graft_pool_rows)(
    const graft_pool *pool, const float *x, float *y, int64_t first_row, int64_t past_row,
    float *scratch);

typedef struct {
  /// The largest element of each window; NaN if it contains NaN, -infinity if it is entirely
  /// padding.
  graft_pool_rows max_pool;
  /// The mean of each window; 0 if it is entirely padding.
  graft_pool_rows average_pool;
  /// `y[i]` is the mean of the `count` elements from `x[i * count]` on.
  void (*global_average_pool)(const float *x, float *y, int64_t plane_count, int64_t count);
} graft_pool_table;

#endif
