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
  /// As floats or as doubles, like the elements.
  const void *weights;
} graft_resampling_axis;

/// As many results, one after the other, as a vector has lanes; the last ones of a row may be
/// fewer.
typedef struct {
  /// The element of the input that lane indices count from.
  int32_t first;
  /// Lane indices lie below.
  int32_t span;
  /// Taps of each lane.
  int32_t tap_count;
  /// Where the group's lane indices and weights start; those of one tap lie together.
  int32_t offset;
} graft_lane_group;

/// A linear map of rows, arranged by vectors: the form of a map whose elements lie apart by one.
typedef struct {
  ptrdiff_t input_extent;
  ptrdiff_t output_extent;
  const graft_lane_group *groups;
  const int32_t *indices;
  /// Null in a map that picks one element for each result.
  const float *weights;
} graft_lane_map;

typedef struct {
  /// The lanes that a map for `map_rows` and `pick_rows` must be arranged by.
  ptrdiff_t lane_count;
  /// Maps `[outer, input_extent, inner]` to `[outer, output_extent, inner]`: rows (outer, o)
  /// `first_row` and following, of `inner` elements each.
  void (*map_axis)(
      float *destination, const float *source, const graft_resampling_axis *axis, ptrdiff_t inner,
      ptrdiff_t first_row, ptrdiff_t row_count);
  /// Maps `row_count` dense rows to dense rows.
  void (*map_rows)(
      float *destination, const float *source, const graft_lane_map *map, ptrdiff_t row_count);
  /// Makes one row of elements of 4 bytes at any address, whose bits it keeps.
  void (*pick_row)(void *destination, const void *source, const graft_lane_map *map);
} graft_resampling_table;

/// As `map_axis`, for doubles.
void graft_resampling_axis_double(
    double *destination, const double *source, const graft_resampling_axis *axis, ptrdiff_t inner,
    ptrdiff_t first_row, ptrdiff_t row_count);

#endif
