#ifndef GRAFT_RESAMPLING_H
#define GRAFT_RESAMPLING_H

#include <stddef.h>

/// A linear map of one axis: element `o` of the result is the sum of `weights[t]` times element
/// `indices[t]`, over `starts[o] <= t < starts[o + 1]`, in that order.
typedef struct {
  ptrdiff_t input_extent;
  ptrdiff_t output_extent;
  const ptrdiff_t *starts;
  const ptrdiff_t *indices;
  /// As floats or as doubles, like the elements.
  const void *weights;
} graft_resampling_axis;

/// Maps `[outer, input_extent, inner]` to `[outer, output_extent, inner]`: rows (outer, o)
/// `first_row` and following, of `inner` elements each.
void graft_resampling_axis_float(float *destination, const float *source,
                                 const graft_resampling_axis *axis, ptrdiff_t inner,
                                 ptrdiff_t first_row, ptrdiff_t row_count);
void graft_resampling_axis_double(double *destination, const double *source,
                                  const graft_resampling_axis *axis, ptrdiff_t inner,
                                  ptrdiff_t first_row, ptrdiff_t row_count);

#endif
