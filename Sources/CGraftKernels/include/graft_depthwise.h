#ifndef GRAFT_DEPTHWISE_H
#define GRAFT_DEPTHWISE_H

#include "graft_conv.h"

/// A convolution of one plane with one kernel: output[o] = bias + residual[o] + sum over taps t of
/// weights[t] * input[o, t]. The input plane is dense; tap steps are positive.
typedef struct {
  graft_conv_axis height, width;
  const void *input;
  /// The first tap's weight, and the steps from tap to tap in elements.
  const void *weights;
  ptrdiff_t weight_row_step, weight_column_step;
  /// One element, or NULL.
  const void *bias;
  /// Laid out like `output`, or NULL.
  const void *residual;
  void *output;
  /// The distance of output positions along both axes, in elements.
  ptrdiff_t output_row_step, output_column_step;
  graft_activation activation;
} graft_depthwise_problem;

/// The depthwise kernels of one element type.
typedef struct {
  /// Computes some rows of the output.
  void (*convolve_rows)(
      const graft_depthwise_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
      void *scratch);
  /// The scratch bytes that `convolve_rows` needs for `row_count` rows.
  size_t (*scratch_byte_count)(
      const graft_conv_axis *height, const graft_conv_axis *width, ptrdiff_t row_count);
} graft_depthwise_table;

#endif
