#ifndef GRAFT_SOFTMAX_H
#define GRAFT_SOFTMAX_H

#include <stdint.h>

/// Softmax of `row_count` rows of `length` contiguous floats, or its logarithm. `y` may be `x`.
void graft_softmax_rows(
    int32_t instruction_set, const float *x, float *y, int64_t row_count, int64_t length,
    int32_t is_logarithm);

/// Softmax down `column_count` columns of `length` floats that lie `stride` apart, or its
/// logarithm. `y` may be `x`.
void graft_softmax_columns(
    int32_t instruction_set, const float *x, float *y, int64_t column_count, int64_t length,
    int64_t stride, int32_t is_logarithm);

#endif
