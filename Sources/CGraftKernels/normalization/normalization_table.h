#ifndef GRAFT_NORMALIZATION_TABLE_H
#define GRAFT_NORMALIZATION_TABLE_H

#include "graft_normalization.h"

/// The family's functions for one instruction set.
typedef struct {
  double (*sum)(const float *x, int64_t count);
  double (*sum_squared_deviations)(const float *x, int64_t count, float mean);
  void (*normalize)(
      const float *x, float *y, int64_t count, float mean, float scale, float shift);
  void (*normalize_each)(
      const float *x, float *y, int64_t count, float mean, float scale, const float *scales,
      const float *shifts);
  void (*normalize_elements)(
      const float *x, float *y, int64_t count, const float *means, const float *scales,
      const float *shifts);
} graft_normalization_table;

extern const graft_normalization_table graft_normalization_scalar;
extern const graft_normalization_table graft_normalization_avx2;
extern const graft_normalization_table graft_normalization_avx512;

#endif
