#ifndef GRAFT_NORMALIZATION_H
#define GRAFT_NORMALIZATION_H

#include <stdint.h>

/// Sums of floats, and linear maps of them, whose `y` may be `x`.
typedef struct {
  /// The sum of `count` floats.
  double (*sum)(const float *x, int64_t count);
  /// The sum of (x - mean)^2 over `count` floats.
  double (*sum_squared_deviations)(const float *x, int64_t count, float mean);
  /// y = (x - mean) * scale + shift
  void (*normalize)(const float *x, float *y, int64_t count, float mean, float scale, float shift);
  /// y[i] = (x[i] - mean) * scale * scales[i] + shifts[i]; `shifts` may be null.
  void (*normalize_each)(
      const float *x, float *y, int64_t count, float mean, float scale, const float *scales,
      const float *shifts);
  /// y[i] = (x[i] - means[i]) * scales[i] + shifts[i]
  void (*normalize_elements)(
      const float *x, float *y, int64_t count, const float *means, const float *scales,
      const float *shifts);
} graft_normalization_table;

#endif
