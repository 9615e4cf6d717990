#include "graft_blocked.h"

static ptrdiff_t divide_up(ptrdiff_t x, ptrdiff_t divisor) { return (x + divisor - 1) / divisor; }

static ptrdiff_t smaller(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }

/// The start of a tile of the output.
typedef struct {
  ptrdiff_t image, top, left;
} tile_place;

static tile_place place_of_tile(const graft_winograd_problem *p, ptrdiff_t tile) {
  const ptrdiff_t extent = p->form->output_extent;
  const ptrdiff_t across = divide_up(p->output_width, extent);
  const ptrdiff_t down = divide_up(p->output_height, extent);
  const ptrdiff_t row = tile / across;
  const tile_place place = {row / down, row % down * extent, tile % across * extent};
  return place;
}

/// Tiles are multiplied in parts of about equal size that fit a register tile. Transformed inputs
/// are [point][part][block][tile of the part][16], so that a part is read as one stream.
static ptrdiff_t part_count(const graft_winograd_problem *p, ptrdiff_t tile_count) {
  return divide_up(tile_count, p->table->product.maximum_rows);
}

static ptrdiff_t part_start(ptrdiff_t tile_count, ptrdiff_t part_count, ptrdiff_t part) {
  return tile_count * part / part_count;
}

void graft_winograd_transform(
    const graft_winograd_problem *p, ptrdiff_t first_tile, ptrdiff_t tile_count,
    ptrdiff_t first_block, ptrdiff_t block_count, float *target) {
  const ptrdiff_t plane = p->input_height * p->input_width * GRAFT_BLOCK;
  const ptrdiff_t parts = part_count(p, tile_count);
  // Block by block, so that the rows under the tiles are read as streams.
  for (ptrdiff_t block = first_block; block < first_block + block_count; block++)
    for (ptrdiff_t part = 0; part < parts; part++) {
      const ptrdiff_t start = part_start(tile_count, parts, part);
      const ptrdiff_t end = part_start(tile_count, parts, part + 1);
      float *place_in_part =
          target + (start * p->input_blocks + block * (end - start)) * GRAFT_BLOCK;
      for (ptrdiff_t i = start; i < end; i++) {
        const tile_place place = place_of_tile(p, first_tile + i);
        p->form->transform_input(
            p->input + (place.image * p->input_blocks + block) * plane, p->input_height,
            p->input_width, place.top - p->pad_top, place.left - p->pad_left, place_in_part,
            p->point_stride);
        place_in_part += GRAFT_BLOCK;
      }
    }
}

/// Products are [point][block of columns][tile][16], with a cache line between points, so that the
/// same place of different points is not in the same set of the cache.
static ptrdiff_t product_point_stride(
    const graft_winograd_problem *p, ptrdiff_t tile_count, ptrdiff_t panel_count) {
  return tile_count * panel_count * p->table->product.panel_columns + GRAFT_BLOCK;
}

void graft_winograd_multiply(
    const graft_winograd_problem *p, const float *transformed, ptrdiff_t first_tile,
    ptrdiff_t tile_count, ptrdiff_t first_panel, ptrdiff_t panel_count, float *scratch) {
  const ptrdiff_t point_count = p->form->input_extent * p->form->input_extent;
  const ptrdiff_t depth = p->input_blocks * GRAFT_BLOCK;
  const ptrdiff_t panel_columns = p->table->product.panel_columns;
  const ptrdiff_t product_stride = product_point_stride(p, tile_count, panel_count);
  const ptrdiff_t parts = part_count(p, tile_count);
  const ptrdiff_t first_column = first_panel * panel_columns;
  const ptrdiff_t end_column =
      smaller(p->output_blocks * GRAFT_BLOCK, first_column + panel_count * panel_columns);
  const ptrdiff_t output_positions = p->pools ? (p->output_height / 2) * (p->output_width / 2)
                                              : p->output_height * p->output_width;
  const ptrdiff_t chunk_count = divide_up(p->input_blocks, p->form->summed_blocks);
  graft_blocked_tile tile = {
      .a_row_stride = GRAFT_BLOCK,
      .step_depth = GRAFT_BLOCK,
      .past_lane = p->input_channels % GRAFT_BLOCK,
      .c_row_stride = GRAFT_BLOCK,
      .c_block_stride = tile_count * GRAFT_BLOCK,
      .activation = &p->activation,
  };
  for (ptrdiff_t point = 0; point < point_count; point++)
    for (ptrdiff_t part = 0; part < parts; part++) {
      const ptrdiff_t start = part_start(tile_count, parts, part);
      const ptrdiff_t end = part_start(tile_count, parts, part + 1);
      const float *rows = transformed + point * p->point_stride + start * depth;
      tile.a_step = (end - start) * GRAFT_BLOCK;
      for (ptrdiff_t column = first_column; column < end_column; column += panel_columns) {
        const ptrdiff_t columns = smaller(end_column - column, panel_columns);
        const float *panel = p->weights + (column * point_count + point * columns) * depth;
        tile.c = scratch + point * product_stride +
                 ((column - first_column) * tile_count + start * GRAFT_BLOCK);
        for (ptrdiff_t chunk = 0; chunk < chunk_count; chunk++) {
          const ptrdiff_t block = part_start(p->input_blocks, chunk_count, chunk);
          tile.a = rows + block * tile.a_step;
          tile.panel = panel + block * GRAFT_BLOCK * columns;
          tile.step_count = part_start(p->input_blocks, chunk_count, chunk + 1) - block;
          tile.accumulates = chunk > 0;
          tile.partial_count = chunk + 1 == chunk_count && tile.past_lane > 0;
          p->table->product.multiply(&tile, end - start, columns);
        }
      }
    }
  for (ptrdiff_t column = first_column; column < end_column; column += GRAFT_BLOCK)
    for (ptrdiff_t i = 0; i < tile_count; i++) {
      const tile_place place = place_of_tile(p, first_tile + i);
      const ptrdiff_t plane = place.image * p->output_blocks * GRAFT_BLOCK + column;
      const int is_finite = p->form->transform_output(
          scratch + (column - first_column) * tile_count + i * GRAFT_BLOCK, product_stride,
          p->bias ? p->bias + column : NULL,
          p->residual ? p->residual + plane * p->output_height * p->output_width : NULL,
          &p->activation, p->pools, p->output + plane * output_positions, p->output_height,
          p->output_width, place.top, place.left);
      if (!is_finite) p->form->convolve_tile(p, place.image, place.top, place.left, column);
    }
}

void graft_winograd_pack(
    const graft_blocked_table *table, const graft_winograd *form, const void *weights,
    ptrdiff_t output_channels, ptrdiff_t input_channels, ptrdiff_t output_stride,
    ptrdiff_t input_stride, ptrdiff_t panel, float *packed) {
  const ptrdiff_t depth = divide_up(input_channels, GRAFT_BLOCK) * GRAFT_BLOCK;
  const ptrdiff_t all_columns = divide_up(output_channels, GRAFT_BLOCK) * GRAFT_BLOCK;
  const ptrdiff_t first = panel * table->product.panel_columns;
  const ptrdiff_t columns = smaller(all_columns - first, table->product.panel_columns);
  const ptrdiff_t point_count = form->input_extent * form->input_extent;
  float *target = packed + first * depth * point_count;
  float taps[9 * GRAFT_BLOCK] __attribute__((aligned(64)));
  for (ptrdiff_t column = 0; column < columns; column += GRAFT_BLOCK)
    for (ptrdiff_t channel = 0; channel < depth; channel++) {
      for (ptrdiff_t lane = 0; lane < GRAFT_BLOCK; lane++) {
        const ptrdiff_t output = first + column + lane;
        const int exists = output < output_channels && channel < input_channels;
        const graft_unaligned_float *source = (const graft_unaligned_float *)weights +
                                              output * output_stride + channel * input_stride;
        for (ptrdiff_t tap = 0; tap < 9; tap++)
          taps[tap * GRAFT_BLOCK + lane] = exists ? source[tap] : 0;
      }
      form->transform_weights(taps, target + channel * columns + column, columns * depth);
    }
}
