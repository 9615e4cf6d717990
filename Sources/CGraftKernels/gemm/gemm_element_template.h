// Matrix products for one element type; for the required definitions see gemm_tile_template.h.

#include "gemm_tile_template.h"

/// Copies depth x columns with contiguous columns into panels: each is depth x panel width.
static void NAME(copy_columns)(
    const NAME(unaligned) * b, ptrdiff_t depth_stride, ptrdiff_t depth, ptrdiff_t columns,
    ELEMENT *panels) {
  const ptrdiff_t full = columns / (2 * LANES);
  const ptrdiff_t left = columns - full * 2 * LANES;
  const ptrdiff_t left_width = left == 0 ? 0 : (left <= LANES ? LANES : 2 * LANES);
  for (ptrdiff_t k = 0; k < depth; k++) {
    const NAME(unaligned) *source = b + k * depth_stride;
    for (ptrdiff_t panel = 0; panel < full; panel++) {
      NAME(vector) *target = (NAME(vector) *)(panels + (panel * depth + k) * 2 * LANES);
      target[0] = ((const NAME(unaligned_vector) *)source)[0];
      target[1] = ((const NAME(unaligned_vector) *)source)[1];
      source += 2 * LANES;
    }
    if (left == 0) continue;
    ELEMENT *target = panels + full * depth * 2 * LANES + k * left_width;
    memcpy(target, source, (size_t)left * sizeof(ELEMENT));
    memset(target + left, 0, (size_t)(left_width - left) * sizeof(ELEMENT));
  }
}

/// Packs a block of B into panels as wide as tiles.
static void NAME(pack_columns)(
    const graft_gemm_problem *p, ptrdiff_t first_depth, ptrdiff_t depth, ptrdiff_t first_column,
    ptrdiff_t columns, ELEMENT *panels) {
  const NAME(unaligned) *b = (const NAME(unaligned) *)p->b + first_depth * p->b_depth_stride +
                             first_column * p->b_column_stride;
  if (p->b_column_stride == 1) {
    NAME(copy_columns)(b, p->b_depth_stride, depth, columns, panels);
    return;
  }
  for (ptrdiff_t column = 0; column < columns; column += 2 * LANES) {
    const ptrdiff_t left = columns - column;
    const ptrdiff_t width = left <= LANES ? LANES : 2 * LANES;
    NAME(transpose)(
        b + column * p->b_column_stride, p->b_column_stride, left < width ? left : width, depth,
        panels + column * depth, width);
  }
}

/// Packs a block of alpha * A into panels of nearly equal heights.
static void NAME(pack_rows)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t rows, ptrdiff_t first_depth,
    ptrdiff_t depth, ptrdiff_t panel_count, ELEMENT *panels) {
  const NAME(unaligned) *a =
      (const NAME(unaligned) *)p->a + first_row * p->a_row_stride + first_depth * p->a_depth_stride;
  for (ptrdiff_t panel = 0; panel < panel_count; panel++) {
    const ptrdiff_t start = graft_panel_start(rows, panel_count, panel);
    const ptrdiff_t height = graft_panel_start(rows, panel_count, panel + 1) - start;
    ELEMENT *target = panels + start * depth;
    const NAME(unaligned) *source = a + start * p->a_row_stride;
    if (p->a_depth_stride == 1) {
      NAME(transpose)(source, p->a_row_stride, height, depth, target, height);
    } else {
      for (ptrdiff_t k = 0; k < depth; k++)
        memcpy(
            target + k * height, source + k * p->a_depth_stride, (size_t)height * sizeof(ELEMENT));
    }
  }
  const ELEMENT alpha = (ELEMENT)p->alpha;
  if (alpha != 1)
    for (ptrdiff_t i = 0; i < rows * depth; i++) panels[i] *= alpha;
}

static size_t NAME(scratch_byte_count)(
    ptrdiff_t row_count, ptrdiff_t column_count, ptrdiff_t depth) {
  const size_t block = (size_t)graft_depth_block(depth);
  const size_t width = ((size_t)column_count + LANES - 1) / LANES * LANES;
  return graft_align_up((size_t)row_count * block * sizeof(ELEMENT)) +
         graft_align_up(width * block * sizeof(ELEMENT));
}

static void NAME(product)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_column,
    ptrdiff_t column_count, void *scratch) {
  const ptrdiff_t block = graft_depth_block(p->depth);
  const ptrdiff_t panel_count = (row_count + GEMM_ROWS - 1) / GEMM_ROWS;
  ELEMENT *rows = scratch;
  ELEMENT *columns =
      (ELEMENT *)((char *)scratch + graft_align_up((size_t)(row_count * block) * sizeof(ELEMENT)));
  ptrdiff_t k = 0;
  do {
    const ptrdiff_t depth = p->depth - k < block ? p->depth - k : block;
    NAME(pack_rows)(p, first_row, row_count, k, depth, panel_count, rows);
    NAME(pack_columns)(p, k, depth, first_column, column_count, columns);
    for (ptrdiff_t column = 0; column < column_count; column += 2 * LANES) {
      const ptrdiff_t left = column_count - column;
      for (ptrdiff_t panel = 0; panel < panel_count; panel++) {
        const ptrdiff_t start = graft_panel_start(row_count, panel_count, panel);
        const ptrdiff_t height = graft_panel_start(row_count, panel_count, panel + 1) - start;
        const ptrdiff_t row = first_row + start, place = first_column + column;
        const NAME(unaligned) *addend = p->addend, *row_addend = p->row_addend;
        const graft_tile tile = {
            .depth = depth,
            .a = rows + start * depth,
            .b = columns + column * depth,
            .c = (ELEMENT *)p->c + row * p->c_row_stride + place,
            .c_row_stride = p->c_row_stride,
            .addend = addend ? addend + row * p->addend_row_stride + place : NULL,
            .addend_row_stride = p->addend_row_stride,
            .row_addend = row_addend ? row_addend + row * p->row_addend_stride : NULL,
            .row_addend_stride = p->row_addend_stride,
            .beta = p->beta,
            .activation = &p->activation,
            .is_first = k == 0,
            .is_last = k + depth >= p->depth,
        };
        NAME(run_tile)(&tile, height, left < 2 * LANES ? left : 2 * LANES);
      }
    }
    k += depth;
  } while (k < p->depth);
}

#include "gemv_template.h"

#define WEIGHT NAME(unaligned)
#define LOAD_WEIGHTS(address) (*(const NAME(unaligned_vector) *)(address))
#define LOAD_WEIGHT(address) (*(address))
#define WEIGHT_NAME(base) NAME(base)
#include "gemv_weights_template.h"
#undef WEIGHT
#undef LOAD_WEIGHTS
#undef LOAD_WEIGHT
#undef WEIGHT_NAME

#if IS_FLOATING
#include "packed_template.h"
#endif

static const graft_gemm_table NAME(gemm_table) = {
    .product = NAME(product),
    .dot_columns = NAME(dot_columns),
    .add_rows = NAME(add_rows),
    .finish_rows = NAME(finish_rows),
    .scratch_byte_count = NAME(scratch_byte_count),
#if IS_FLOATING
    .panel_columns = 2 * LANES,
    .pack_panel = NAME(pack_panel),
    .packed_product = NAME(packed_product),
#endif
};
