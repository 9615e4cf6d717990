#ifndef GRAFT_MOVEMENT_H
#define GRAFT_MOVEMENT_H

#include <stddef.h>

#include "graft_resampling.h"

// Moves elements without interpreting them. All steps and offsets are in bytes, addresses need no
// alignment, and source and destination must not overlap.

/// One axis of a walk over elements. Source steps may be zero or negative.
typedef struct {
  ptrdiff_t extent;
  ptrdiff_t source_step;
  ptrdiff_t destination_step;
} graft_movement_axis;

/// Transposes `rows` x `columns` elements: a column is dense in the source, a row in the
/// destination. There are at least as many of both as fit into a vector.
typedef void graft_movement_transpose(
    char *destination, ptrdiff_t destination_step, const char *source, ptrdiff_t source_step,
    ptrdiff_t rows, ptrdiff_t columns);

/// The functions of an instruction set that are faster than plain code.
typedef struct {
  /// 0 if there are no such functions.
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

/// Copies blocks from `first_block` on between two strided layouts.
///
/// There is one matrix for each position of the outer axes. Blocks are numbered matrix by matrix,
/// in row-major order. `width` is 1, 2, 4, 8 or 16, or any number if the columns are dense on both
/// sides.
void graft_movement_copy(
    void *destination, const void *source, const graft_movement_matrix *matrix,
    const graft_movement_axis *outer, ptrdiff_t outer_rank, ptrdiff_t first_block,
    ptrdiff_t block_count);

/// Writes rows from `first_row` on of a dense destination, `row_bytes` each.
///
/// Row `r` is at `source + (r / offset_count) * slab_step + offsets[r % offset_count]`.
void graft_movement_gather_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t offset_count,
    ptrdiff_t slab_step, ptrdiff_t row_bytes, ptrdiff_t first_row, ptrdiff_t row_count);

/// Writes `row_count` rows of `row_bytes`, in order: row `r`, from `source + r * source_step`, to
/// `destination + offsets[r]`.
void graft_movement_scatter_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t source_step,
    ptrdiff_t row_bytes, ptrdiff_t row_count);

/// Makes a dense row from a row of the source: `pick_row` of a `graft_resampling_table`.
typedef struct {
  void (*pick_row)(void *destination, const void *source, const graft_lane_map *map);
  const graft_lane_map *map;
} graft_movement_rows;

/// Writes rows (positions of all axes but the last) from `first_row` on of a dense destination.
///
/// `offsets` has one table per axis, one after the other: the offset of each index in the source.
/// The offsets of an element's indices are added; if one is negative, the element is `fill`. With
/// `rows`, that function makes the rows, and the last axis's offsets are ignored.
void graft_movement_gather_axes(
    void *destination, const void *source, const void *fill, ptrdiff_t width, ptrdiff_t rank,
    const ptrdiff_t *extents, const ptrdiff_t *offsets, const graft_movement_rows *rows,
    ptrdiff_t first_row, ptrdiff_t row_count);

#endif
