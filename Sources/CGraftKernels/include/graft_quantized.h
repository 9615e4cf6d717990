#ifndef GRAFT_QUANTIZED_H
#define GRAFT_QUANTIZED_H

#include <stddef.h>
#include <stdint.h>

// Kernels for integers that stand for real numbers: real = scale * (integer - zero point).

/// The integers of the kernels. Those of 2 and 4 bits are in bytes, except where two of 4 bits
/// share one.
enum {
  GRAFT_INTEGER_U8 = 0,
  GRAFT_INTEGER_I8 = 1,
  GRAFT_INTEGER_U16 = 2,
  GRAFT_INTEGER_I16 = 3,
  GRAFT_INTEGER_I32 = 4,
  GRAFT_INTEGER_U4 = 5,  // two in a byte, the first one in the low bits
  GRAFT_INTEGER_I4 = 6,
};

/// Elements with their scales and zero points: a pair for each element, or with `step` 0 one pair
/// for all.
typedef struct {
  const float *scales;
  const int32_t *zero_points;
  ptrdiff_t step;
} graft_quantization;

/// The forms of activations in integer products.
enum {
  /// int16 with the zero point subtracted, multiplied in pairs; borders are 0.
  GRAFT_ACTIVATIONS_PAIRS = 0,
  /// uint8 (int8 with 128 added), multiplied in fours; borders are the zero point.
  GRAFT_ACTIVATIONS_BYTES = 1,
};

/// Part of a line of pixels with their channels, to be brought into the form for products: the
/// pixels of the image between some of a border on each side.
typedef struct {
  /// The line's first element, a byte each; NULL for a line of border only.
  const void *source;
  ptrdiff_t pixel_stride, channel_stride;
  ptrdiff_t channels, width;
  /// The pixels of border before and after the others.
  ptrdiff_t left, right;
  int32_t is_signed;
  int32_t zero_point;
  /// Pixels with adjacent channels.
  void *target;
} graft_activation_line;

/// The results of integer products.
enum {
  GRAFT_RESULT_I32 = 0,
  GRAFT_RESULT_U8 = 1,
  GRAFT_RESULT_I8 = 2,
  /// sum * multiplier + addend
  GRAFT_RESULT_F32 = 3,
};

/// Some lines of rows (positions of a convolution, or rows of a matrix), multiplied by some panels
/// of packed weights.
///
/// A sum has `step_count` steps of the same depth; a step's activations are adjacent, and its depth
/// is padded to whole groups with weights that are 0. Results are
///   sum + offset - zero point of weights * (sum of activations - their zero point)
///     - zero point of the row * sum of weights
/// All arrays by column are padded to whole panels.
typedef struct {
  ptrdiff_t line_count, row_count;
  const void *activations;
  ptrdiff_t line_stride, row_stride;  // in bytes
  const ptrdiff_t *steps;             // offsets in bytes
  ptrdiff_t step_count, step_groups;
  /// The valid elements of a step.
  ptrdiff_t step_depth;
  const void *weights;
  ptrdiff_t column_count;
  const int32_t *offsets;
  const int32_t *weight_zero_points;  // or NULL
  int32_t activation_zero_point;      // of bytes
  const int32_t *row_zero_points;     // of bytes, by row of the only line; or NULL
  const int32_t *weight_sums;         // with `row_zero_points`
  /// Memory for a number per row, with `weight_zero_points`.
  int32_t *row_sums;
  int32_t result_kind;
  const float *multipliers;  // unless the results are int32
  const float *addends;      // with multipliers, or NULL
  /// The results of 8 bits: round(sum * multiplier + addend), at least `lowest` and at most
  /// `highest`, plus `zero_point`.
  int32_t zero_point, lowest, highest;
  void *results;
  ptrdiff_t result_line_stride, result_row_stride, result_column_stride;  // in elements
} graft_integer_problem;

/// A kind of integer products.
typedef struct {
  /// GRAFT_ACTIVATIONS_…
  int32_t activation_form;
  /// The depths of a group: a panel has [group][column][depth of the group], int8.
  ptrdiff_t group_depth;
  ptrdiff_t panel_columns;
  void (*multiply)(const graft_integer_problem *problem);
} graft_integer_product;

/// Packs weights for a product, some panels of them. The weight at depth k (of all groups of all
/// steps) and column c is weights[offsets[k] + c * column_stride]; 0 where offsets[k] is negative.
/// Unsigned weights become signed: 128 is subtracted.
typedef struct {
  const void *weights;
  int32_t is_signed;
  ptrdiff_t column_count, column_stride;
  const ptrdiff_t *offsets;
  /// A multiple of `group_depth`.
  ptrdiff_t depth;
  ptrdiff_t group_depth, panel_columns;
  int8_t *panels;
  /// The sum of each column.
  int32_t *sums;
} graft_integer_weights;

/// C = A * B + addend, where B are integers (of 8 or 4 bits) that stand for real numbers.
///
/// A is rows x depth with contiguous rows, at any alignment; C has contiguous rows. One of the
/// strides of B is 1; with integers of 4 bits the other one is even.
typedef struct {
  ptrdiff_t depth;
  const float *a;
  ptrdiff_t a_row_stride;
  int32_t integer;
  const void *b;
  ptrdiff_t b_depth_stride, b_column_stride;
  /// Depth k and column j have the scale and the zero point at k / depth_block *
  /// depth_scale_stride + j / column_block * column_scale_stride.
  const float *scales;
  const int32_t *zero_points;  // or NULL
  ptrdiff_t depth_block, depth_scale_stride, column_block, column_scale_stride;
  const float *addend;  // by column, or NULL
  float *c;
  ptrdiff_t c_row_stride;
} graft_widened_problem;

/// The largest and smallest of some floats; NaN if one is NaN.
typedef struct {
  float lowest, highest;
} graft_range;

/// A window of pixels with adjacent channels, for one output position.
typedef struct {
  const uint8_t *source;
  ptrdiff_t channels;
  /// The offsets of the window's pixels in bytes.
  const ptrdiff_t *pixels;
  ptrdiff_t pixel_count;
  int32_t is_signed;
  uint8_t *target;
} graft_byte_window;

typedef struct {
  /// saturate(round(x / scale) + zero point), to nearest, ties to even, in lowest ... highest; NaN
  /// becomes the lowest. Quotients are rounded to a narrower type first (GRAFT_ROUNDING_…).
  void (*quantize)(
      const float *x, const graft_quantization *quantization, int32_t rounding, int32_t lowest,
      int32_t highest, int32_t integer, void *y, ptrdiff_t count);
  /// (x - zero point) * scale
  void (*dequantize)(
      int32_t integer, const void *x, const graft_quantization *quantization, float *y,
      ptrdiff_t count);
  graft_range (*range)(const float *x, ptrdiff_t count);
  /// Writes a line in GRAFT_ACTIVATIONS_…
  void (*prepare_line)(const graft_activation_line *line, int32_t form);
  /// y[i] = table[x[i]]
  void (*look_up)(const uint8_t *x, const uint8_t *table, uint8_t *y, ptrdiff_t count);
  /// The maxima of a window's channels.
  void (*maximum)(const graft_byte_window *window);
  /// The means of a window's channels as numbers, to the bit those of the kernels of graft_pool.h:
  /// sums of columns of `row_count` pixels, added from left to right, over a divisor. Pixels are in
  /// rows. The quantization is one pair for all.
  void (*average_pool)(
      const graft_byte_window *window, const graft_quantization *quantization, ptrdiff_t row_count,
      float divisor, float *means);
  /// The same of all pixels of an image, added as doubles.
  void (*global_average_pool)(
      const graft_byte_window *window, const graft_quantization *quantization, float *means);
  /// As `quantize`, of sums: round(sum * multiplier).
  void (*requantize)(
      const int32_t *sums, const float *multipliers, ptrdiff_t step, int32_t zero_point,
      int32_t lowest, int32_t highest, void *y, ptrdiff_t count);
  /// Computes a block of C. Columns start at even numbers.
  void (*multiply_widened)(
      const graft_widened_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
      ptrdiff_t first_column, ptrdiff_t column_count);
  /// A product for each channel alone: its weights are int16, [step][channel], in panels; the
  /// activations are bytes. Panels follow the channels.
  const graft_integer_product *depthwise;
  /// The products that any processor with the instruction set has.
  const graft_integer_product *product;
} graft_quantized_table;

/// The integer products of a processor with an instruction set (GRAFT_ISA_…) and GRAFT_VNNI_….
const graft_integer_product *graft_integer_product_for(int32_t instruction_set, int32_t vnni);

void graft_pack_integer_weights(
    const graft_integer_weights *weights, ptrdiff_t first_panel, ptrdiff_t panel_count);

#endif
