#ifndef GRAFT_REDUCE_H
#define GRAFT_REDUCE_H

#include <stdint.h>

// Reductions of rows of floats. Sums are doubles, in a number of lanes that does not depend on the
// instruction set, so that all sets give the same bits.

/// Sums of rows, and rows added to a row of sums.
typedef struct {
  /// Sums `row_count` rows of `count` values each, `stride` apart.
  void (*reduce)(
      double *sums, const float *values, int64_t row_count, int64_t stride, int64_t count);
  /// sums[i] += term(values[i])
  void (*accumulate)(double *sums, const float *values, int64_t count);
} graft_sum_f32_rows;

/// Maxima and minima of rows, and of rows with a row of earlier ones. NaN if any element is NaN; an
/// empty row gives an infinity.
typedef struct {
  void (*reduce)(
      float *extremes, const float *values, int64_t row_count, int64_t stride, int64_t count);
  void (*accumulate)(float *extremes, const float *values, int64_t count);
} graft_extreme_f32_rows;

typedef struct {
  graft_sum_f32_rows sum, sum_of_squares, sum_of_magnitudes;
  graft_extreme_f32_rows minimum, maximum;
} graft_reduce_table;

#endif
