// Makes the kernels of the blocked layout for one instruction set. The file that includes this defines
//   TARGET          the target attribute
//   MAXIMUM_ROWS    rows of a full register tile
//   PANEL_BLOCKS    blocks of 16 columns of a panel
//   TABLE(base)     the name of a table

#include "blocked_tables.h"

// Functions that take vectors are inlined: there is no call whose convention could change.
#pragma clang diagnostic ignored "-Wpsabi"

#define ELEMENT float
#define IS_FLOATING 1
#define NAME(base) base##_blocked
#include "../gemm/activation_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef NAME

#include "blocked_tile_template.h"

/// Applies activations that do not fit into registers to results that were just stored.
static TARGET void activate_rows(
    const graft_activation *activation, float *c, ptrdiff_t row_stride, ptrdiff_t rows) {
  if (row_stride == GRAFT_BLOCK) {
    activate_blocked(activation, c, rows * GRAFT_BLOCK);
    return;
  }
  for (ptrdiff_t r = 0; r < rows; r++) activate_blocked(activation, c + r * row_stride, GRAFT_BLOCK);
}

#define ROWS_CASE(rows)                              \
  case rows:                                         \
    if (columns > GRAFT_BLOCK)                       \
      multiply_rows(tile, rows, PANEL_BLOCKS);       \
    else                                             \
      multiply_rows(tile, rows, 1);                  \
    break;

static TARGET void multiply(
    const graft_blocked_tile *tile, ptrdiff_t rows, ptrdiff_t columns) {
  switch (rows) {
    ROWS_CASE(1)
    ROWS_CASE(2)
    ROWS_CASE(3)
#if MAXIMUM_ROWS > 3
    ROWS_CASE(4)
    ROWS_CASE(5)
    ROWS_CASE(6)
#endif
#if MAXIMUM_ROWS > 6
    ROWS_CASE(7)
    ROWS_CASE(8)
    ROWS_CASE(9)
    ROWS_CASE(10)
    ROWS_CASE(11)
    ROWS_CASE(12)
    ROWS_CASE(13)
    ROWS_CASE(14)
#endif
    default: break;
  }
  if (!tile->finishes || tile->activation->kind == GRAFT_ACTIVATION_CLAMP) return;
  for (ptrdiff_t j = 0; j * GRAFT_BLOCK < columns; j++)
    activate_rows(tile->activation, tile->c + j * tile->c_block_stride, tile->c_row_stride, rows);
}

#include "winograd_template.h"

static TARGET void pool_squares(
    const float *image, ptrdiff_t height, ptrdiff_t width, float *pooled) {
  for (ptrdiff_t y = 0; y + 1 < height; y += 2)
    for (ptrdiff_t x = 0; x + 1 < width; x += 2) {
      const float *square = image + (y * width + x) * GRAFT_BLOCK;
      const float *below = square + width * GRAFT_BLOCK;
      const block upper = larger_block(load_block(square), load_block(square + GRAFT_BLOCK));
      const block lower = larger_block(load_block(below), load_block(below + GRAFT_BLOCK));
      store_block(pooled, larger_block(upper, lower));
      pooled += GRAFT_BLOCK;
    }
}
#include "affine_template.h"
#include "depthwise_template.h"
#include "pool_template.h"
#include "response_template.h"
#include "transpose_template.h"

const graft_blocked_table TABLE(graft_blocked) = {
    MAXIMUM_ROWS,
    PANEL_BLOCKS * GRAFT_BLOCK,
    multiply,
    {
        {2, 4, transform_input_2, transform_output_2, transform_weights_2},
        {4, 6, transform_input_4, transform_output_4, transform_weights_4},
        {6, 8, transform_input_6, transform_output_6, transform_weights_6},
    },
    .pool_squares = pool_squares,
    .layers =
        {
            .to_blocks = to_blocks,
            .from_blocks = from_blocks,
            .max_pool = max_pool,
            .average_pool = average_pool,
            .global_average_pool = global_average_pool,
            .convolve_depthwise = convolve_depthwise,
            .scale_positions = scale_positions,
            .divide_responses = divide_responses,
        },
};
