#include <string.h>

#include "graft_blocked.h"

static ptrdiff_t divide_up(ptrdiff_t x, ptrdiff_t divisor) { return (x + divisor - 1) / divisor; }

static ptrdiff_t smaller(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }
static ptrdiff_t larger(ptrdiff_t x, ptrdiff_t y) { return x > y ? x : y; }

static ptrdiff_t point_count(const graft_weight_gradient_problem *p) {
  return p->form->input_extent * p->form->input_extent;
}

/// The distance of two points of the transforms of `tile_count` tiles, [point][block][tile][16],
/// blocks of the input first, with a cache line between points.
static ptrdiff_t point_stride(const graft_weight_gradient_problem *p, ptrdiff_t tile_count) {
  return (p->input_blocks + p->output_blocks) * tile_count * GRAFT_BLOCK + GRAFT_BLOCK;
}

ptrdiff_t graft_weight_gradient_transform_count(
    const graft_weight_gradient_problem *p, ptrdiff_t tile_count) {
  return point_count(p) * point_stride(p, tile_count);
}

void graft_weight_gradient_transform(
    const graft_weight_gradient_problem *p, ptrdiff_t first_tile, ptrdiff_t tile_count,
    ptrdiff_t block, ptrdiff_t first, ptrdiff_t count, float *transformed) {
  const ptrdiff_t extent = p->form->output_extent;
  const ptrdiff_t across = divide_up(p->output_width, extent);
  const ptrdiff_t down = divide_up(p->output_height, extent);
  const ptrdiff_t stride = point_stride(p, tile_count);
  for (ptrdiff_t i = first; i < first + count; i++) {
    const ptrdiff_t tile = first_tile + i, row = tile / across;
    const ptrdiff_t image = row / down, top = row % down * extent, left = tile % across * extent;
    float *target = transformed + (block * tile_count + i) * GRAFT_BLOCK;
    if (block < p->input_blocks) {
      const ptrdiff_t plane = p->input_height * p->input_width * GRAFT_BLOCK;
      p->form->transform_input(
          p->input + (image * p->input_blocks + block) * plane, p->input_height, p->input_width,
          top - p->pad_top, left - p->pad_left, target, stride);
    } else {
      const ptrdiff_t plane = p->output_height * p->output_width * GRAFT_BLOCK;
      const ptrdiff_t output_block = block - p->input_blocks;
      p->form->transform_output_gradient(
          p->output_gradient + (image * p->output_blocks + output_block) * plane, p->output_height,
          p->output_width, top, left, target, stride);
    }
  }
}

/// The distance of two points of the products: [point][output block][input channel][16].
static ptrdiff_t product_stride(const graft_weight_gradient_problem *p) {
  return p->output_blocks * p->input_blocks * GRAFT_BLOCK * GRAFT_BLOCK + GRAFT_BLOCK;
}

ptrdiff_t graft_weight_gradient_product_count(const graft_weight_gradient_problem *p) {
  return point_count(p) * product_stride(p);
}

void graft_weight_gradient_multiply(
    const graft_weight_gradient_problem *p, const float *transformed, ptrdiff_t tile_count,
    ptrdiff_t point, ptrdiff_t first_block, ptrdiff_t block_count, int accumulates,
    float *products) {
  const ptrdiff_t width = p->table->outer_product.maximum_column_blocks;
  const float *source = transformed + point * point_stride(p, tile_count);
  const ptrdiff_t block_size = p->input_blocks * GRAFT_BLOCK * GRAFT_BLOCK;
  for (ptrdiff_t output = first_block; output < first_block + block_count; output += width) {
    const ptrdiff_t columns = smaller(width, first_block + block_count - output);
    for (ptrdiff_t input = 0; input < p->input_blocks; input++)
      for (ptrdiff_t j = 0; j < columns; j += columns == width ? width : 1)
        p->table->outer_product.add(
            source + input * tile_count * GRAFT_BLOCK, GRAFT_BLOCK,
            source + (p->input_blocks + output + j) * tile_count * GRAFT_BLOCK,
            tile_count * GRAFT_BLOCK, tile_count,
            products + point * product_stride(p) + (output + j) * block_size +
                input * GRAFT_BLOCK * GRAFT_BLOCK,
            block_size, columns == width ? width : 1, accumulates);
  }
}

/// Writes a tap of 16 output channels.
static void scatter(
    const graft_weight_gradient_problem *p, const float *taps, ptrdiff_t tap_count,
    ptrdiff_t output_block, ptrdiff_t channel, float *gradient) {
  const ptrdiff_t first = output_block * GRAFT_BLOCK;
  const ptrdiff_t lanes = smaller(GRAFT_BLOCK, p->output_channels - first);
  for (ptrdiff_t lane = 0; lane < lanes; lane++) {
    float *target = gradient + ((first + lane) * p->input_channels + channel) * tap_count;
    for (ptrdiff_t tap = 0; tap < tap_count; tap++) target[tap] = taps[tap * GRAFT_BLOCK + lane];
  }
}

void graft_weight_gradient_finish(
    const graft_weight_gradient_problem *p, const float *products, ptrdiff_t output_block,
    float *gradient) {
  const ptrdiff_t block_size = p->input_blocks * GRAFT_BLOCK * GRAFT_BLOCK;
  float taps[9 * GRAFT_BLOCK] __attribute__((aligned(64)));
  for (ptrdiff_t channel = 0; channel < p->input_channels; channel++) {
    p->form->transform_weight_gradient(
        products + output_block * block_size + channel * GRAFT_BLOCK, product_stride(p), taps);
    scatter(p, taps, 9, output_block, channel, gradient);
  }
}

/// The outputs of a row whose tap is inside the input.
static void outputs_inside(
    ptrdiff_t tap_offset, ptrdiff_t stride, ptrdiff_t input_extent, ptrdiff_t output_extent,
    ptrdiff_t *first, ptrdiff_t *past) {
  *first = tap_offset < 0 ? divide_up(-tap_offset, stride) : 0;
  *past = tap_offset >= input_extent
              ? 0
              : smaller(output_extent, (input_extent - 1 - tap_offset) / stride + 1);
  *past = larger(*past, *first);
}

ptrdiff_t graft_weight_gradient_direct_count(const graft_weight_gradient_problem *p) {
  return p->kernel_height * p->kernel_width * p->table->outer_product.maximum_column_blocks *
         GRAFT_BLOCK * GRAFT_BLOCK;
}

void graft_weight_gradient_direct(
    const graft_weight_gradient_problem *p, ptrdiff_t input_block, ptrdiff_t output_block,
    float *scratch, float *gradient) {
  const ptrdiff_t width = p->table->outer_product.maximum_column_blocks;
  const ptrdiff_t columns = smaller(width, p->output_blocks - output_block) == width ? width : 1;
  const ptrdiff_t past_block = smaller(output_block + width, p->output_blocks);
  const ptrdiff_t tap_count = p->kernel_height * p->kernel_width;
  const ptrdiff_t input_plane = p->input_height * p->input_width * GRAFT_BLOCK;
  const ptrdiff_t output_plane = p->output_height * p->output_width * GRAFT_BLOCK;
  const ptrdiff_t tap_size = GRAFT_BLOCK * GRAFT_BLOCK;
  const int is_one_row = tap_count == 1 && p->row_stride == 1 && p->column_stride == 1 &&
                         p->pad_top == 0 && p->pad_left == 0 && p->output_width == p->input_width;
  const ptrdiff_t row_count = is_one_row ? 1 : p->output_height;
  for (ptrdiff_t output = output_block; output < past_block; output += columns) {
    // [column block][tap][channel][16]
    memset(scratch, 0, (size_t)(columns * tap_count * tap_size) * sizeof(float));
    for (ptrdiff_t image = 0; image < p->image_count; image++) {
      const float *input = p->input + (image * p->input_blocks + input_block) * input_plane;
      const float *arriving =
          p->output_gradient + (image * p->output_blocks + output) * output_plane;
      for (ptrdiff_t row = 0; row < row_count; row++)
        for (ptrdiff_t tap = 0; tap < tap_count; tap++) {
          const ptrdiff_t y =
              row * p->row_stride - p->pad_top + tap / p->kernel_width * p->row_dilation;
          if (y < 0 || y >= p->input_height) continue;
          const ptrdiff_t offset = tap % p->kernel_width * p->column_dilation - p->pad_left;
          ptrdiff_t first = 0, past = p->output_height * p->output_width;
          if (!is_one_row)
            outputs_inside(
                offset, p->column_stride, p->input_width, p->output_width, &first, &past);
          if (first == past) continue;
          p->table->outer_product.add(
              input + (y * p->input_width + first * p->column_stride + offset) * GRAFT_BLOCK,
              p->column_stride * GRAFT_BLOCK,
              arriving + (row * p->output_width + first) * GRAFT_BLOCK, output_plane, past - first,
              scratch + tap * tap_size, tap_count * tap_size, columns, 1);
        }
    }
    const ptrdiff_t channels = smaller(GRAFT_BLOCK, p->input_channels - input_block * GRAFT_BLOCK);
    for (ptrdiff_t j = 0; j < columns; j++)
      for (ptrdiff_t channel = 0; channel < channels; channel++) {
        const ptrdiff_t first = (output + j) * GRAFT_BLOCK;
        const ptrdiff_t lanes = smaller(GRAFT_BLOCK, p->output_channels - first);
        for (ptrdiff_t lane = 0; lane < lanes; lane++)
          for (ptrdiff_t tap = 0; tap < tap_count; tap++)
            gradient
                [((first + lane) * p->input_channels + input_block * GRAFT_BLOCK + channel) *
                     tap_count +
                 tap] = scratch[(j * tap_count + tap) * tap_size + channel * GRAFT_BLOCK + lane];
      }
  }
}
