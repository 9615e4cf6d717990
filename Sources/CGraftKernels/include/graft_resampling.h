#ifndef GRAFT_RESAMPLING_H
#define GRAFT_RESAMPLING_H

#include <stddef.h>
#include <stdint.h>

/// A linear map of one axis: element `o` of the result is the sum of `weights[t]` times element
/// `indices[t]`, over `starts[o] <= t < starts[o + 1]`, in that order.
typedef struct {
  ptrdiff_t input_extent;
  ptrdiff_t output_extent;
  const ptrdiff_t *starts;
  const ptrdiff_t *indices;
  /// Floats or doubles, like the elements.
  const void *weights;
} graft_resampling_axis;

/// Consecutive results, as many as a vector has lanes, or fewer at the end of a row.
typedef struct {
  /// The element of the input that lane indices are relative to.
  int32_t first;
  /// Lane indices are below this.
  int32_t span;
  /// The taps of each lane.
  int32_t tap_count;
  /// The start of the group's lane indices and weights; those of one tap are adjacent.
  int32_t offset;
} graft_lane_group;

/// A linear map of rows, arranged by vectors: the form of a map of contiguous elements.
typedef struct {
  ptrdiff_t input_extent;
  ptrdiff_t output_extent;
  const graft_lane_group *groups;
  const int32_t *indices;
  /// Null in a map that selects one element for each result.
  const float *weights;
} graft_lane_map;

typedef struct {
  /// The number of lanes that a map for `map_rows` and `pick_rows` must be arranged by.
  ptrdiff_t lane_count;
  /// Maps `[outer, input_extent, inner]` to `[outer, output_extent, inner]`: rows (outer, o) from
  /// `first_row` on, of `inner` elements each.
  void (*map_axis)(
      float *destination, const float *source, const graft_resampling_axis *axis, ptrdiff_t inner,
      ptrdiff_t first_row, ptrdiff_t row_count);
  /// Maps `row_count` dense rows to dense rows.
  void (*map_rows)(
      float *destination, const float *source, const graft_lane_map *map, ptrdiff_t row_count);
  /// Makes one row of elements of 4 bytes without alignment; their bits are unchanged.
  void (*pick_row)(void *destination, const void *source, const graft_lane_map *map);
} graft_resampling_table;

/// Like `map_axis`, for doubles.
void graft_resampling_axis_double(
    double *destination, const double *source, const graft_resampling_axis *axis, ptrdiff_t inner,
    ptrdiff_t first_row, ptrdiff_t row_count);

#endif
