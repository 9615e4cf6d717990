#ifndef GRAFT_DEPTHWISE_H
#define GRAFT_DEPTHWISE_H

#include "graft_conv.h"

/// A convolution of one plane with one kernel: output[o] = bias + residual[o] + sum over taps t of
/// weights[t] * input[o, t]. Planes and weights are dense; tap steps are positive.
typedef struct {
  graft_conv_axis height, width;
  const void *input, *weights;
  /// One element, or NULL.
  const void *bias;
  /// As `output`, or NULL.
  const void *residual;
  void *output;
  graft_activation activation;
} graft_depthwise_problem;

/// The depthwise kernels of one element type and instruction set.
typedef struct {
  /// Computes some rows of the output.
  void (*convolve_rows)(
      const graft_depthwise_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
      void *scratch);
  /// Scratch bytes that `convolve_rows` needs for `row_count` rows.
  size_t (*scratch_byte_count)(
      const graft_conv_axis *height, const graft_conv_axis *width, ptrdiff_t row_count);
} graft_depthwise_table;

/// The kernels for an instruction set (`GRAFT_ISA_…`) and an element type of floating point.
const graft_depthwise_table *graft_depthwise_kernels(int32_t instruction_set, int32_t element);

#endif
