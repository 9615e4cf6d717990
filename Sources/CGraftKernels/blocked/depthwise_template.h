// Depthwise convolution of the blocked layout: each lane is its own channel.
//
// Taps are added one after the other to a row of outputs in registers, in the same order as in
// depthwise/depthwise_template.h, so that the bits are the same.

#include "windows.h"

/// The taps of some outputs in one row, and the place in the input of tap (0, 0) of the first
/// output, which may be outside.
typedef struct {
  index_range rows, columns;
  ptrdiff_t source;
} depthwise_taps;

/// Computes `outputs` (at most BLOCKED_ROWS) outputs, from element `place` of the output on. The
/// last arguments are constants when inlined.
///
/// `kernel` is 3 if all rows have 3 adjacent taps and the stride is 1: each input is then read once
/// for a row of taps. Otherwise it is 0.
GRAFT_INLINE void sum_outputs(
    const graft_blocked_depthwise *p, const depthwise_taps *taps, ptrdiff_t place,
    const ptrdiff_t outputs, const ptrdiff_t stride, const ptrdiff_t kernel) {
  const ptrdiff_t row_step = p->height.tap_step * p->width.input * GRAFT_BLOCK;
  const ptrdiff_t column_step = p->width.tap_step * GRAFT_BLOCK;
  const block bias = p->bias ? load_block(p->bias) : 0;
  block sums[BLOCKED_ROWS];
#pragma clang loop unroll(full)
  for (ptrdiff_t o = 0; o < outputs; o++) sums[o] = bias;

  for (ptrdiff_t row = taps->rows.first; row < taps->rows.past; row++) {
    const float *x = p->input + (taps->source + row * row_step + taps->columns.first * column_step);
    const float *weights = p->weights + (row * p->width.taps + taps->columns.first) * GRAFT_BLOCK;
    if (kernel > 0) {
      block inputs[BLOCKED_ROWS + 2];
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < outputs + kernel - 1; j++)
        inputs[j] = load_block(x + j * GRAFT_BLOCK);
#pragma clang loop unroll(full)
      for (ptrdiff_t t = 0; t < kernel; t++) {
        const block weight = load_block(weights + t * GRAFT_BLOCK);
#pragma clang loop unroll(full)
        for (ptrdiff_t o = 0; o < outputs; o++) sums[o] += weight * inputs[o + t];
      }
      continue;
    }
    for (ptrdiff_t i = taps->columns.first; i < taps->columns.past; i++) {
      const block weight = load_block(weights);
#pragma clang loop unroll(full)
      for (ptrdiff_t o = 0; o < outputs; o++)
        sums[o] += weight * load_block(x + o * stride * GRAFT_BLOCK);
      x += column_step;
      weights += GRAFT_BLOCK;
    }
  }

  const block lowest = (float)p->activation.alpha, highest = (float)p->activation.beta;
  const int clamps = p->activation.kind == GRAFT_ACTIVATION_CLAMP;
#pragma clang loop unroll(full)
  for (ptrdiff_t o = 0; o < outputs; o++) {
    const ptrdiff_t index = place + o * GRAFT_BLOCK;
    block sum = sums[o];
    if (p->residual) sum += load_block(p->residual + index);
    if (clamps) sum = clamp_block(sum, lowest, highest);
    store_block(p->output + index, sum);
  }
}

#define OUTPUTS_CASE(outputs) \
  case outputs: sum_outputs(p, &part, place, outputs, stride, kernel); break;

/// Computes outputs that all have the same taps.
GRAFT_INLINE void sum_interior(
    const graft_blocked_depthwise *p, const depthwise_taps *taps, ptrdiff_t place, ptrdiff_t count,
    const ptrdiff_t stride, const ptrdiff_t kernel) {
  depthwise_taps part = *taps;
  for (ptrdiff_t parts = (count + BLOCKED_ROWS - 1) / BLOCKED_ROWS; parts > 0; parts--) {
    const ptrdiff_t outputs = (count + parts - 1) / parts;
    switch (outputs) {
      OUTPUTS_CASE(1)
      OUTPUTS_CASE(2)
      OUTPUTS_CASE(3)
#if BLOCKED_ROWS > 3
      OUTPUTS_CASE(4)
      OUTPUTS_CASE(5)
      OUTPUTS_CASE(6)
#endif
#if BLOCKED_ROWS > 6
      OUTPUTS_CASE(7)
      OUTPUTS_CASE(8)
      OUTPUTS_CASE(9)
      OUTPUTS_CASE(10)
      OUTPUTS_CASE(11)
      OUTPUTS_CASE(12)
      OUTPUTS_CASE(13)
      OUTPUTS_CASE(14)
#endif
      default: break;
    }
    count -= outputs;
    place += outputs * GRAFT_BLOCK;
    part.source += outputs * stride * GRAFT_BLOCK;
  }
}

/// Computes outputs one by one, each with its own taps.
static void sum_border(
    const graft_blocked_depthwise *p, index_range rows, ptrdiff_t source_row, ptrdiff_t output_row,
    ptrdiff_t first, ptrdiff_t past) {
  const graft_conv_axis *width = &p->width;
  for (ptrdiff_t column = first; column < past; column++) {
    const ptrdiff_t left = column * width->stride + width->first;
    const depthwise_taps taps = {
        rows, taps_inside(left, width->taps, width->tap_step, width->input),
        (source_row * width->input + left) * GRAFT_BLOCK};
    sum_outputs(p, &taps, (output_row * width->output + column) * GRAFT_BLOCK, 1, 1, 0);
  }
}

static void convolve_depthwise(
    const graft_blocked_depthwise *p, ptrdiff_t first_row, ptrdiff_t row_count) {
  const graft_conv_axis *height = &p->height, *width = &p->width;
  const index_range all = {0, width->taps};
  index_range interior = outputs_inside(
      width->first, width->stride, (width->taps - 1) * width->tap_step + 1, width->input,
      width->output);
  if (width->stride > 2) interior.past = interior.first;
  // With fewer registers, fewer outputs fit.
  const int shares_inputs =
      BLOCKED_ROWS > 6 && width->taps == 3 && width->tap_step == 1 && width->stride == 1;
  for (ptrdiff_t row = first_row; row < first_row + row_count; row++) {
    const ptrdiff_t top = row * height->stride + height->first;
    const index_range rows = taps_inside(top, height->taps, height->tap_step, height->input);
    const ptrdiff_t left = interior.first * width->stride + width->first;
    const depthwise_taps taps = {rows, all, (top * width->input + left) * GRAFT_BLOCK};
    const ptrdiff_t place = (row * width->output + interior.first) * GRAFT_BLOCK;
    sum_border(p, rows, top, row, 0, interior.first);
    if (shares_inputs)
      sum_interior(p, &taps, place, interior.past - interior.first, 1, 3);
    else if (width->stride == 1)
      sum_interior(p, &taps, place, interior.past - interior.first, 1, 0);
    else
      sum_interior(p, &taps, place, interior.past - interior.first, 2, 0);
    sum_border(p, rows, top, row, interior.past, width->output);
    if (!only_clamps_f32(&p->activation))
      finish_f32(
          &p->activation, p->output + row * width->output * GRAFT_BLOCK,
          width->output * GRAFT_BLOCK);
  }
}
