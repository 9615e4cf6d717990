#include "graft_resampling.h"

void graft_resampling_axis_double(
    double *destination, const double *source, const graft_resampling_axis *axis, ptrdiff_t inner,
    ptrdiff_t first_row, ptrdiff_t row_count) {
  const double *weights = axis->weights;
  for (ptrdiff_t row = first_row; row < first_row + row_count; ++row) {
    const ptrdiff_t output = row % axis->output_extent;
    const double *slab = source + row / axis->output_extent * axis->input_extent * inner;
    double *restrict to = destination + row * inner;
    const ptrdiff_t first = axis->starts[output], end = axis->starts[output + 1];
    if (inner == 1) {
      double sum = 0;
      for (ptrdiff_t tap = first; tap < end; ++tap) sum += weights[tap] * slab[axis->indices[tap]];
      *to = sum;
      continue;
    }
    if (first == end)
      for (ptrdiff_t i = 0; i < inner; ++i) to[i] = 0;
    for (ptrdiff_t tap = first; tap < end; ++tap) {
      const double weight = weights[tap];
      const double *restrict from = slab + axis->indices[tap] * inner;
      if (tap == first)
        for (ptrdiff_t i = 0; i < inner; ++i) to[i] = weight * from[i];
      else
        for (ptrdiff_t i = 0; i < inner; ++i) to[i] += weight * from[i];
    }
  }
}
