#ifndef GRAFT_SOFTMAX_TABLE_H
#define GRAFT_SOFTMAX_TABLE_H

#include "graft_softmax.h"

/// The family's functions for one instruction set.
typedef struct {
  void (*rows)(
      const float *x, float *y, int64_t row_count, int64_t length, int32_t is_logarithm);
  void (*columns)(
      const float *x, float *y, int64_t column_count, int64_t length, int64_t stride,
      int32_t is_logarithm);
} graft_softmax_table;

extern const graft_softmax_table graft_softmax_scalar;
extern const graft_softmax_table graft_softmax_avx2;
extern const graft_softmax_table graft_softmax_avx512;

#endif
