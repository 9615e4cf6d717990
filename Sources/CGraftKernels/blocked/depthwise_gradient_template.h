// Gradients of a depthwise convolution of the blocked layout (depthwise_template.h).
//
// Each loop is over a row of outputs for one tap; a row is short enough to stay in the L1 cache.

/// The outputs of a row or column for which a tap reads an element inside the image.
static index_range outputs_of_tap(const graft_conv_axis *axis, ptrdiff_t tap) {
  return outputs_inside(
      axis->first + tap * axis->tap_step, axis->stride, 1, axis->input, axis->output);
}

static void add_depthwise_weight_gradient(
    const graft_blocked_depthwise_gradient *p, float *gradient) {
  const graft_conv_axis *height = &p->height, *width = &p->width;
  const ptrdiff_t step = width->stride * GRAFT_BLOCK;
  for (ptrdiff_t row = 0; row < height->output; row++) {
    const ptrdiff_t top = row * height->stride + height->first;
    const index_range rows = taps_inside(top, height->taps, height->tap_step, height->input);
    const float *arriving = p->output_gradient + row * width->output * GRAFT_BLOCK;
    for (ptrdiff_t i = rows.first; i < rows.past; i++)
      for (ptrdiff_t j = 0; j < width->taps; j++) {
        const index_range outputs = outputs_of_tap(width, j);
        ptrdiff_t left = outputs.past - outputs.first;
        if (left <= 0) continue;
        const float *y = arriving + outputs.first * GRAFT_BLOCK;
        const float *x =
            p->input + ((top + i * height->tap_step) * width->input +
                        outputs.first * width->stride + width->first + j * width->tap_step) *
                           GRAFT_BLOCK;
        block sums[4] = {0, 0, 0, 0};
        for (; left >= 4; left -= 4) {
#pragma clang loop unroll(full)
          for (ptrdiff_t k = 0; k < 4; k++)
            sums[k] += load_block(y + k * GRAFT_BLOCK) * load_block(x + k * step);
          y += 4 * GRAFT_BLOCK;
          x += 4 * step;
        }
        for (; left > 0; left--) {
          sums[0] += load_block(y) * load_block(x);
          y += GRAFT_BLOCK;
          x += step;
        }
        float *sum = gradient + (i * width->taps + j) * GRAFT_BLOCK;
        store_block(sum, load_block(sum) + ((sums[0] + sums[1]) + (sums[2] + sums[3])));
      }
  }
}

static void depthwise_input_gradient(
    const graft_blocked_depthwise_gradient *p, const float *weights, ptrdiff_t first_row,
    ptrdiff_t row_count, float *gradient) {
  const graft_conv_axis *height = &p->height, *width = &p->width;
  const ptrdiff_t step = width->stride * GRAFT_BLOCK;
  for (ptrdiff_t row = first_row; row < first_row + row_count; row++) {
    float *target = gradient + row * width->input * GRAFT_BLOCK;
    memset(target, 0, (size_t)(width->input * GRAFT_BLOCK) * sizeof(float));
    for (ptrdiff_t i = 0; i < height->taps; i++) {
      const ptrdiff_t distance = row - height->first - i * height->tap_step;
      if (distance < 0 || distance % height->stride != 0 ||
          distance / height->stride >= height->output)
        continue;
      const float *arriving =
          p->output_gradient + distance / height->stride * width->output * GRAFT_BLOCK;
      for (ptrdiff_t j = 0; j < width->taps; j++) {
        const index_range outputs = outputs_of_tap(width, j);
        if (outputs.past <= outputs.first) continue;
        const block weight = load_block(weights + (i * width->taps + j) * GRAFT_BLOCK);
        const float *y = arriving + outputs.first * GRAFT_BLOCK;
        float *x = target + (outputs.first * width->stride + width->first + j * width->tap_step) *
                                GRAFT_BLOCK;
        for (ptrdiff_t left = outputs.past - outputs.first; left > 0; left--) {
          store_block(x, load_block(x) + weight * load_block(y));
          y += GRAFT_BLOCK;
          x += step;
        }
      }
    }
  }
}
