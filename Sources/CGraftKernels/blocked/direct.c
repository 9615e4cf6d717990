#include <string.h>

#include "graft_blocked.h"
#include "weight_format.h"

static ptrdiff_t divide_up(ptrdiff_t x, ptrdiff_t divisor) { return (x + divisor - 1) / divisor; }

static ptrdiff_t smaller(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }

/// The steps of the depth per pass: their weights for a panel fit into the L1 cache, and sums are
/// short enough for small rounding errors. It only depends on the depth of a step and the format of
/// the weights.
enum { MAXIMUM_DEPTH = 256 };

static ptrdiff_t maximum_depth(const graft_direct_problem *p) {
  return p->product->weight_format == GRAFT_WEIGHTS_BF16 ? 2 * MAXIMUM_DEPTH : MAXIMUM_DEPTH;
}

static ptrdiff_t pixel_size(const graft_direct_problem *p) {
  return p->is_planar ? 1 : GRAFT_BLOCK;
}

/// The input channels per step: the largest number that divides a block and a group, so that a
/// panel only reads the groups that it needs. For bfloat16 pairs it is a whole block.
static ptrdiff_t part_channels(const graft_direct_problem *p) {
  if (p->group_count == 1 || p->is_planar || p->product->weight_format == GRAFT_WEIGHTS_BF16)
    return pixel_size(p);
  const ptrdiff_t channels = p->input_channels / p->group_count;
  ptrdiff_t size = GRAFT_BLOCK;
  while (channels % size != 0) size /= 2;
  // Steps of one channel would cost more than the zero channels that they avoid.
  return size == 1 ? GRAFT_BLOCK : size;
}

static ptrdiff_t all_columns(const graft_direct_problem *p) {
  return divide_up(p->output_channels, GRAFT_BLOCK) * GRAFT_BLOCK;
}

/// The parts of the input that a panel reads.
typedef struct {
  ptrdiff_t first, end;
} part_range;

static part_range parts_of_panel(const graft_direct_problem *p, ptrdiff_t panel) {
  const ptrdiff_t rows = p->output_channels / p->group_count;
  const ptrdiff_t channels = p->input_channels / p->group_count;
  const ptrdiff_t first_column = panel * p->panel_columns;
  const ptrdiff_t end_column = smaller(p->output_channels, first_column + p->panel_columns);
  const part_range range = {
      first_column / rows * channels / part_channels(p),
      divide_up(divide_up(end_column, rows) * channels, part_channels(p)),
  };
  return range;
}

static ptrdiff_t columns_of_panel(const graft_direct_problem *p, ptrdiff_t panel) {
  const ptrdiff_t left = all_columns(p) - panel * p->panel_columns;
  return smaller(left, p->panel_columns);
}

/// Multiplications per pixel and tap with panels of this many columns.
static ptrdiff_t work_with_panels(const graft_direct_problem *p, ptrdiff_t columns) {
  graft_direct_problem split = *p;
  split.panel_columns = columns;
  ptrdiff_t work = 0;
  for (ptrdiff_t panel = 0; panel < divide_up(all_columns(p), columns); panel++) {
    const part_range parts = parts_of_panel(&split, panel);
    work += (parts.end - parts.first) * columns_of_panel(&split, panel);
  }
  return work;
}

ptrdiff_t graft_direct_panel_columns(const graft_direct_problem *p) {
  const ptrdiff_t widest = p->product->panel_columns;
  if (p->group_count == 1 || widest == GRAFT_BLOCK) return widest;
  // A narrow panel loads as many pixels for half as many products.
  const ptrdiff_t narrow = work_with_panels(p, GRAFT_BLOCK), wide = work_with_panels(p, widest);
  return narrow * 8 < wide * 7 ? GRAFT_BLOCK : widest;
}

ptrdiff_t graft_direct_weight_offset(const graft_direct_problem *p, ptrdiff_t panel) {
  const ptrdiff_t part_size = p->kernel_height * p->kernel_width * part_channels(p);
  ptrdiff_t offset = 0;
  for (ptrdiff_t i = 0; i < panel; i++) {
    const part_range parts = parts_of_panel(p, i);
    offset += (parts.end - parts.first) * part_size * columns_of_panel(p, i);
  }
  return offset;
}

/// Multiplies and finishes some rows and columns of the output in one panel.
static void convolve_panel(
    const graft_direct_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_column,
    ptrdiff_t column_count, ptrdiff_t panel, const float *weights) {
  const ptrdiff_t pixel = pixel_size(p), part_size = part_channels(p);
  const ptrdiff_t tap_count = p->kernel_height * p->kernel_width;
  const part_range parts = parts_of_panel(p, panel);
  const ptrdiff_t step_count = (parts.end - parts.first) * tap_count;
  const ptrdiff_t chunk_count = divide_up(step_count, maximum_depth(p) / part_size);
  const ptrdiff_t segment_count = divide_up(column_count, p->product->maximum_rows);
  const ptrdiff_t plane = p->output_height * p->output_width * GRAFT_BLOCK;
  const ptrdiff_t channel = panel * p->panel_columns;
  const ptrdiff_t columns = columns_of_panel(p, panel);
  ptrdiff_t steps[MAXIMUM_DEPTH];
  graft_blocked_tile tile = {
      .a_row_stride = p->column_stride * pixel,
      .steps = steps,
      .step_depth = part_size,
      .c_row_stride = GRAFT_BLOCK,
      .c_block_stride = plane,
      .bias = p->bias ? p->bias + channel : NULL,
      .activation = &p->activation,
  };
  for (ptrdiff_t chunk = 0; chunk < chunk_count; chunk++) {
    const ptrdiff_t first_step = step_count * chunk / chunk_count;
    const ptrdiff_t end_step = step_count * (chunk + 1) / chunk_count;
    tile.step_count = end_step - first_step;
    tile.panel = weights + graft_weight_floats(p->product, first_step * columns * part_size);
    tile.accumulates = chunk > 0;
    tile.finishes = chunk + 1 == chunk_count;
    for (ptrdiff_t step = first_step; step < end_step; step++) {
      const ptrdiff_t tap = step % tap_count;
      const ptrdiff_t input_channel = (parts.first + step / tap_count) * part_size;
      const ptrdiff_t row =
          input_channel / pixel * p->input_height + tap / p->kernel_width * p->row_dilation;
      const ptrdiff_t column = tap % p->kernel_width * p->column_dilation;
      steps[step - first_step] = (row * p->input_width + column) * pixel + input_channel % pixel;
    }
    for (ptrdiff_t row = first_row; row < first_row + row_count; row++)
      for (ptrdiff_t segment = 0; segment < segment_count; segment++) {
        const ptrdiff_t start = first_column + column_count * segment / segment_count;
        const ptrdiff_t end = first_column + column_count * (segment + 1) / segment_count;
        const ptrdiff_t place =
            channel / GRAFT_BLOCK * plane + (row * p->output_width + start) * GRAFT_BLOCK;
        tile.a =
            p->input + (row * p->row_stride * p->input_width + start * p->column_stride) * pixel;
        tile.c = p->output + place;
        tile.residual = p->residual ? p->residual + place : NULL;
        p->product->multiply(&tile, end - start, columns);
      }
  }
}

void graft_direct_convolve(
    const graft_direct_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_column,
    ptrdiff_t column_count, ptrdiff_t first_panel, ptrdiff_t panel_count) {
  for (ptrdiff_t panel = first_panel; panel < first_panel + panel_count; panel++)
    convolve_panel(
        p, first_row, row_count, first_column, column_count, panel,
        p->weights + graft_weight_floats(p->product, graft_direct_weight_offset(p, panel)));
}

/// Packs a panel of weights for all inputs: reads contiguous weights, and writes to few rows at a
/// time.
static void pack_dense(
    const graft_direct_problem *p, const graft_unaligned_float *weights, ptrdiff_t first,
    ptrdiff_t width, float *target) {
  const ptrdiff_t part_size = part_channels(p);
  const ptrdiff_t tap_count = p->kernel_height * p->kernel_width;
  for (ptrdiff_t channel = 0; channel < p->input_channels; channel += part_size) {
    const ptrdiff_t count = smaller(part_size, p->input_channels - channel);
    if (count < part_size || first + width > p->output_channels)
      memset(target, 0, (size_t)(tap_count * part_size * width) * sizeof(float));
    for (ptrdiff_t j = 0; j < smaller(width, p->output_channels - first); j++) {
      const graft_unaligned_float *source =
          weights + ((first + j) * p->input_channels + channel) * tap_count;
      for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t tap = 0; tap < tap_count; tap++)
          target[(tap * part_size + i) * width + j] = *source++;
    }
    target += tap_count * part_size * width;
  }
}

void graft_direct_pack(
    const graft_direct_problem *p, const void *weights, ptrdiff_t panel, float *packed) {
  const ptrdiff_t part_size = part_channels(p);
  const ptrdiff_t tap_count = p->kernel_height * p->kernel_width;
  const ptrdiff_t rows = p->output_channels / p->group_count;
  const ptrdiff_t channels = p->input_channels / p->group_count;
  const part_range parts = parts_of_panel(p, panel);
  const ptrdiff_t first = panel * p->panel_columns, width = columns_of_panel(p, panel);
  const ptrdiff_t end = first + width;
  const graft_unaligned_float *source = weights;
  float *target = packed + graft_weight_floats(p->product, graft_direct_weight_offset(p, panel));
  const int packs_pairs = p->product->weight_format == GRAFT_WEIGHTS_BF16;
  if (p->group_count == 1 && !packs_pairs) {
    pack_dense(p, source, first, width, target);
    return;
  }
  float rows_of_depth[2 * GRAFT_MAXIMUM_PANEL_COLUMNS];
  for (ptrdiff_t part = parts.first; part < parts.end; part++)
    for (ptrdiff_t tap = 0; tap < tap_count; tap++)
      for (ptrdiff_t channel = part * part_size; channel < (part + 1) * part_size; channel++) {
        float *row = packs_pairs ? rows_of_depth + channel % 2 * width : target;
        for (ptrdiff_t column = first; column < end; column++) {
          const int meet = column < p->output_channels && channel < p->input_channels &&
                           channel / channels == column / rows;
          row[column - first] =
              meet ? source[(column * channels + channel % channels) * tap_count + tap] : 0;
        }
        if (packs_pairs && channel % 2 == 1) graft_pack_pairs(rows_of_depth, width, target);
        if (!packs_pairs || channel % 2 == 1) target += width;
      }
}

void graft_pad_image(
    const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t pixel_count, ptrdiff_t top,
    ptrdiff_t left, ptrdiff_t padded_height, ptrdiff_t padded_width, float *padded) {
  const ptrdiff_t row_size = width * pixel_count, padded_size = padded_width * pixel_count;
  const ptrdiff_t before = left * pixel_count, after = padded_size - before - row_size;
  memset(padded, 0, (size_t)(top * padded_size) * sizeof(float));
  padded += top * padded_size;
  for (ptrdiff_t row = 0; row < height; row++) {
    memset(padded, 0, (size_t)before * sizeof(float));
    memcpy(padded + before, image + row * row_size, (size_t)row_size * sizeof(float));
    memset(padded + before + row_size, 0, (size_t)after * sizeof(float));
    padded += padded_size;
  }
  memset(padded, 0, (size_t)((padded_height - top - height) * padded_size) * sizeof(float));
}
