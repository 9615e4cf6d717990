#include <string.h>

#include "graft_blocked.h"
#include "weight_format.h"

static ptrdiff_t divide_up(ptrdiff_t x, ptrdiff_t divisor) { return (x + divisor - 1) / divisor; }

static ptrdiff_t smaller(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }
static ptrdiff_t larger(ptrdiff_t x, ptrdiff_t y) { return x > y ? x : y; }

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

/// How far a tap of a channel is from the first tap of the first channel in the input.
static ptrdiff_t offset_of_tap(const graft_direct_problem *p, ptrdiff_t channel, ptrdiff_t tap) {
  const ptrdiff_t pixel = pixel_size(p);
  const ptrdiff_t row = channel / pixel * p->input_height + tap / p->kernel_width * p->row_dilation;
  const ptrdiff_t column = tap % p->kernel_width * p->column_dilation;
  return (row * p->input_width + column) * pixel + channel % pixel;
}

/// Whether the outputs of a panel belong to several groups, or what it reads does. The product then
/// adds infinities of other groups multiplied by 0, which is NaN.
static int mixes_groups(const graft_direct_problem *p, ptrdiff_t panel) {
  const part_range parts = parts_of_panel(p, panel);
  const ptrdiff_t channels = p->input_channels / p->group_count;
  return p->group_count > 1 && (parts.end - parts.first) * part_channels(p) > channels;
}

int graft_direct_mixes_groups(const graft_direct_problem *p) {
  for (ptrdiff_t panel = 0; panel * p->panel_columns < p->output_channels; panel++)
    if (mixes_groups(p, panel)) return 1;
  return 0;
}

/// Computes a tile of finished outputs again, if one of them is NaN: the outputs of each group from
/// its own channels only.
static void separate_groups(
    const graft_direct_problem *p, const graft_blocked_tile *finished, ptrdiff_t panel,
    const float *weights, ptrdiff_t rows, ptrdiff_t columns) {
  int is_needed = 0;
  for (ptrdiff_t j = 0; j < columns / GRAFT_BLOCK; j++)
    is_needed |= p->product->has_nan(finished->c + j * finished->c_block_stride, rows);
  if (!is_needed) return;

  const ptrdiff_t part_size = part_channels(p);
  const ptrdiff_t tap_count = p->kernel_height * p->kernel_width;
  const ptrdiff_t outputs = p->output_channels / p->group_count;
  const ptrdiff_t channels = p->input_channels / p->group_count;
  const ptrdiff_t first_part = parts_of_panel(p, panel).first;
  const ptrdiff_t first = panel * p->panel_columns;
  const ptrdiff_t end = smaller(first + columns, p->output_channels);
  float results[GRAFT_MAXIMUM_ROWS * GRAFT_MAXIMUM_PANEL_COLUMNS] __attribute__((aligned(64)));
  graft_blocked_tile tile = *finished;
  ptrdiff_t step_offset;
  tile.steps = &step_offset;
  tile.step_count = tile.partial_count = 1;
  tile.c = results;
  if (finished->residual) tile.residual = results;
  tile.c_block_stride = rows * GRAFT_BLOCK;
  for (ptrdiff_t group = first / outputs; group * outputs < end; group++) {
    const ptrdiff_t first_channel = group * channels, past_channel = first_channel + channels;
    const ptrdiff_t first_step = (first_channel / part_size - first_part) * tap_count;
    const ptrdiff_t past_step = (divide_up(past_channel, part_size) - first_part) * tap_count;
    for (ptrdiff_t j = 0; finished->residual && j < columns / GRAFT_BLOCK; j++)
      memcpy(
          results + j * tile.c_block_stride, finished->residual + j * finished->c_block_stride,
          (size_t)(rows * GRAFT_BLOCK) * sizeof(float));
    for (ptrdiff_t step = first_step; step < past_step; step++) {
      const ptrdiff_t channel = (first_part + step / tap_count) * part_size;
      step_offset = offset_of_tap(p, channel, step % tap_count);
      tile.first_lane = larger(first_channel - channel, 0);
      tile.past_lane = smaller(past_channel - channel, part_size);
      tile.panel = weights + graft_weight_floats(p->product, step * part_size * columns);
      tile.accumulates = step > first_step;
      tile.finishes = step + 1 == past_step;
      p->product->multiply(&tile, rows, columns);
    }
    for (ptrdiff_t column = larger(first, group * outputs);
         column < smaller(end, (group + 1) * outputs); column++)
      for (ptrdiff_t row = 0; row < rows; row++) {
        const ptrdiff_t block = (column - first) / GRAFT_BLOCK;
        const ptrdiff_t place = row * GRAFT_BLOCK + column % GRAFT_BLOCK;
        finished->c[block * finished->c_block_stride + place] =
            results[block * tile.c_block_stride + place];
      }
  }
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
  const int separates = mixes_groups(p, panel);
  // Where the channels end within a part, the steps of this part read only these.
  const ptrdiff_t rest = p->input_channels % part_size;
  const ptrdiff_t ends_with_rest = rest > 0 && parts.end * part_size > p->input_channels;
  const ptrdiff_t whole_steps = step_count - (ends_with_rest ? tap_count : 0);
  ptrdiff_t steps[MAXIMUM_DEPTH];
  graft_blocked_tile tile = {
      .a_row_stride = p->column_stride * pixel,
      .steps = steps,
      .step_depth = part_size,
      .past_lane = rest,
      .c_row_stride = GRAFT_BLOCK,
      .c_block_stride = plane,
      .bias = p->bias ? p->bias + channel : NULL,
      .activation = &p->activation,
  };
  for (ptrdiff_t chunk = 0; chunk < chunk_count; chunk++) {
    const ptrdiff_t first_step = step_count * chunk / chunk_count;
    const ptrdiff_t end_step = step_count * (chunk + 1) / chunk_count;
    tile.step_count = end_step - first_step;
    tile.partial_count = larger(0, end_step - larger(first_step, whole_steps));
    tile.panel = weights + graft_weight_floats(p->product, first_step * columns * part_size);
    tile.accumulates = chunk > 0;
    tile.finishes = chunk + 1 == chunk_count;
    for (ptrdiff_t step = first_step; step < end_step; step++)
      steps[step - first_step] =
          offset_of_tap(p, (parts.first + step / tap_count) * part_size, step % tap_count);
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
        if (separates && tile.finishes)
          separate_groups(p, &tile, panel, weights, end - start, columns);
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
