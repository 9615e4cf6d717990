#ifndef GRAFT_SOFTMAX_H
#define GRAFT_SOFTMAX_H

#include <stdint.h>

/// Softmax, or its logarithm. `y` may be `x`.
typedef struct {
  /// Over `row_count` rows of `length` contiguous floats.
  void (*rows)(const float *x, float *y, int64_t row_count, int64_t length, int32_t is_logarithm);
  /// Over `column_count` columns of `length` floats that are `stride` apart.
  void (*columns)(
      const float *x, float *y, int64_t column_count, int64_t length, int64_t stride,
      int32_t is_logarithm);
} graft_softmax_table;

#endif
