#ifndef GRAFT_GEMM_TILE_H
#define GRAFT_GEMM_TILE_H

#include "graft_gemm.h"

/// A small block of C, whose sums stay in registers: products of one pass over (part of) the depth.
typedef struct {
  ptrdiff_t depth;
  const void *a;  // depth x rows, dense
  const void *b;  // depth x panel width, dense, aligned to 64
  void *c;
  ptrdiff_t c_row_stride;
  const void *addend;  // as in graft_gemm_problem, at this block's first element
  ptrdiff_t addend_row_stride;
  const void *row_addend;
  ptrdiff_t row_addend_stride;
  double beta;
  const graft_activation *activation;
  /// The first pass over the depth writes C and adds the addends; the others add to C.
  int is_first;
  /// The last pass applies the activation.
  int is_last;
} graft_tile;

/// The register tiles of one element type.
typedef struct {
  ptrdiff_t maximum_rows;
  /// The columns of a B panel; a panel with at most half as many columns left is half as wide.
  ptrdiff_t panel_columns;
  /// Computes rows (at most maximum_rows) x columns (at most panel_columns).
  void (*run)(const graft_tile *tile, ptrdiff_t rows, ptrdiff_t columns);
  /// Transposes `rows` rows of `depth` contiguous elements each to depth x width. Missing rows up
  /// to `width` become 0.
  void (*transpose)(
      const void *source, ptrdiff_t row_stride, ptrdiff_t rows, ptrdiff_t depth, void *target,
      ptrdiff_t width);
} graft_tile_table;

/// The depth of a pass: a panel of B of this depth fits into the L1 cache, and its sums are short
/// enough for small rounding errors (288 doubled the error of a deep network). It must only depend
/// on the depth, as it determines the order of sums.
static inline ptrdiff_t graft_depth_block(ptrdiff_t depth) {
  const ptrdiff_t limit = 72;
  const ptrdiff_t count = (depth + limit - 1) / limit;
  return count > 1 ? (depth + count - 1) / count : depth;
}

/// The first row of panel `index` when `rows` are distributed evenly to `count` panels.
static inline ptrdiff_t graft_panel_start(ptrdiff_t rows, ptrdiff_t count, ptrdiff_t index) {
  const ptrdiff_t quotient = rows / count, remainder = rows % count;
  return index * quotient + (index < remainder ? index : remainder);
}

static inline size_t graft_align_up(size_t byte_count) { return (byte_count + 63) & ~(size_t)63; }

#endif
