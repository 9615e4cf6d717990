#ifndef GRAFT_CONV_H
#define GRAFT_CONV_H

#include "graft_gemm.h"

/// Maps output positions and kernel taps along one axis to the input: output position o and tap t
/// read input position o * stride + first + t * tap_step, or zero outside the input.
typedef struct {
  ptrdiff_t input, output, taps;
  ptrdiff_t stride, first, tap_step;
} graft_conv_axis;

/// A convolution of one image and group: output[r][o] = sum over channels c and taps t of
/// weights[r][c][t] * input[c][o, t], in that order.
///
/// Convolutions and their transposes both have this form. A transposed one with strides is one such
/// problem per residue class of output positions, whose outputs are `step` apart. All strides count
/// elements.
typedef struct {
  /// Depth, height and width; 1 for axes that the convolution does not have.
  graft_conv_axis axes[3];
  ptrdiff_t channels, rows;
  /// channels x input positions, dense.
  const void *input;
  /// The output position (d, h, w) of row r is at r * output_row_stride + d * output_step[0] + …
  void *output;
  ptrdiff_t output_row_stride, output_step[3];
  /// Laid out like `output`, or NULL.
  const void *residual;
  /// One element per row, or NULL.
  const void *bias;
  /// From `pack_weights`, or NULL if there is nothing to multiply with.
  const void *weights;
  /// The number of panels that the rows are distributed to.
  ptrdiff_t panel_count;
  graft_activation activation;
} graft_conv_problem;

/// The layout of weights before packing; taps are numbered through all three axes.
typedef struct {
  const void *weights;
  ptrdiff_t rows, channels;
  ptrdiff_t row_stride, channel_stride;
  ptrdiff_t taps[3], tap_stride[3];
} graft_conv_weights;

/// A part of a convolution's weight gradient: gradient[r][c][t] = sum over images and positions o
/// of output_gradient[r][o] * input[c][o, t].
typedef struct {
  graft_conv_axis axes[3];
  ptrdiff_t channels, rows;
  ptrdiff_t image_count;
  const void *input;
  ptrdiff_t input_image_stride;
  const void *output_gradient;
  ptrdiff_t output_gradient_image_stride;
  /// rows x (channels x taps), dense.
  void *gradient;
} graft_conv_gradient_problem;

/// The convolution kernels of one element type.
typedef struct {
  /// The maximum number of rows of a panel, and the number of positions per pass.
  ptrdiff_t maximum_rows, panel_columns;
  /// Computes the rows of some panels for a range of output positions (numbered through all axes).
  void (*convolve)(
      const graft_conv_problem *problem, ptrdiff_t first_panel, ptrdiff_t panel_count,
      ptrdiff_t first_position, ptrdiff_t position_count, void *scratch);
  /// Packs the rows of some panels; `packed` has rows x channels x taps elements in total.
  void (*pack_weights)(
      const graft_conv_weights *weights, ptrdiff_t panel_count, ptrdiff_t first_panel,
      ptrdiff_t packed_panel_count, void *packed);
  /// Writes what each (channel, tap) reads at all output positions, (channels x taps) x positions,
  /// dense.
  void (*unroll)(const graft_conv_problem *problem, void *columns);
  /// Computes a range of the columns (channel, tap) of a weight gradient.
  void (*weight_gradient)(
      const graft_conv_gradient_problem *problem, ptrdiff_t first_column, ptrdiff_t column_count,
      void *scratch);
  /// The scratch bytes of `convolve` and of `weight_gradient`.
  size_t (*convolve_scratch_byte_count)(ptrdiff_t depth);
  size_t (*gradient_scratch_byte_count)(ptrdiff_t rows, ptrdiff_t positions);
} graft_conv_table;

#endif
