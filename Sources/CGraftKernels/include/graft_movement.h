#ifndef GRAFT_MOVEMENT_H
#define GRAFT_MOVEMENT_H

#include <stddef.h>

#include "graft_resampling.h"

// Moving elements without looking at them. All steps and offsets are in bytes, addresses may have
// any alignment, and source and destination must not overlap.

/// One axis of a walk over elements. Source steps may be zero or negative.
typedef struct {
  ptrdiff_t extent;
  ptrdiff_t source_step;
  ptrdiff_t destination_step;
} graft_movement_axis;

/// Transposes `rows` x `columns` elements, of which one column is dense in the source and one row
/// in the destination, at least as many of both as fit into a vector.
typedef void graft_movement_transpose(
    char *destination, ptrdiff_t destination_step, const char *source, ptrdiff_t source_step,
    ptrdiff_t rows, ptrdiff_t columns);

/// What an instruction set does better than plain code.
typedef struct {
  /// 0 where there are no such functions.
  ptrdiff_t vector_bytes;
  /// For elements of 4 and 8 bytes.
  graft_movement_transpose *transpose_4, *transpose_8;
} graft_movement_table;

/// The two inner axes of a copy, cut into blocks of `row_block` x `column_block` elements.
typedef struct {
  ptrdiff_t width;
  graft_movement_axis rows;
  graft_movement_axis columns;
  ptrdiff_t row_block;
  ptrdiff_t column_block;
  const graft_movement_table *kernels;
} graft_movement_matrix;

/// Copies blocks `first_block` and following between two strided layouts.
///
/// There is one matrix for each position of the outer axes. Blocks are numbered matrix by matrix,
/// in row-major order. `width` is 1, 2, 4, 8 or 16, or anything if the columns are dense on both
/// sides.
void graft_movement_copy(
    void *destination, const void *source, const graft_movement_matrix *matrix,
    const graft_movement_axis *outer, ptrdiff_t outer_rank, ptrdiff_t first_block,
    ptrdiff_t block_count);

/// Writes rows `first_row` and following of a dense destination, of `row_bytes` each.
///
/// Row `r` comes from `source + (r / offset_count) * slab_step + offsets[r % offset_count]`.
void graft_movement_gather_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t offset_count,
    ptrdiff_t slab_step, ptrdiff_t row_bytes, ptrdiff_t first_row, ptrdiff_t row_count);

/// Writes `row_count` rows of `row_bytes`, in order: row `r`, from `source + r * source_step`, to
/// `destination + offsets[r]`.
void graft_movement_scatter_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t source_step,
    ptrdiff_t row_bytes, ptrdiff_t row_count);

/// How a dense row is made from one in the source: `pick_row` of a `graft_resampling_table`.
typedef struct {
  void (*pick_row)(void *destination, const void *source, const graft_lane_map *map);
  const graft_lane_map *map;
} graft_movement_rows;

/// Writes rows (positions of all axes but the last) `first_row` and following of a dense
/// destination.
///
/// `offsets` holds one table per axis, one after the other: where in the source each index lies.
/// The offsets of an element's indices are added; where one is negative, the element is `fill`.
/// With `rows`, that makes the rows instead, and the last axis' offsets do not count.
void graft_movement_gather_axes(
    void *destination, const void *source, const void *fill, ptrdiff_t width, ptrdiff_t rank,
    const ptrdiff_t *extents, const ptrdiff_t *offsets, const graft_movement_rows *rows,
    ptrdiff_t first_row, ptrdiff_t row_count);

#endif
