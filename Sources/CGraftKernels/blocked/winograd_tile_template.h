// Winograd's transforms of tiles in two dimensions: one dimension after the other. The file that
// includes this defines
//   EXTENT        outputs of a tile along one dimension
//   NAME(base)    the name of a function for such tiles

#define INPUT_EXTENT (EXTENT + 2)

static void NAME(transform_input)(
    const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t top, ptrdiff_t left,
    float *target, ptrdiff_t point_stride) {
  block patch[INPUT_EXTENT * INPUT_EXTENT];
  const float *source = image + (top * width + left) * GRAFT_BLOCK;
  ptrdiff_t row_stride = width * GRAFT_BLOCK;
  if (top < 0 || left < 0 || top + INPUT_EXTENT > height || left + INPUT_EXTENT > width) {
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++)
      for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
        const int is_inside = top + i >= 0 && top + i < height && left + j >= 0 && left + j < width;
        patch[i * INPUT_EXTENT + j] =
            is_inside ? load_block(source + i * row_stride + j * GRAFT_BLOCK) : 0;
      }
    source = (const float *)patch;
    row_stride = INPUT_EXTENT * GRAFT_BLOCK;
  }
  block columns[INPUT_EXTENT][INPUT_EXTENT];
  for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
    block d[INPUT_EXTENT], t[INPUT_EXTENT];
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++)
      d[i] = load_block(source + i * row_stride + j * GRAFT_BLOCK);
    NAME(input_row)(d, t);
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) columns[i][j] = t[i];
  }
  for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) {
    block t[INPUT_EXTENT];
    NAME(input_row)(columns[i], t);
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
      store_block(target, t[j]);
      target += point_stride;
    }
  }
}

/// Adds bias and residual to the sums of a tile, applies the activation, and writes the result.
/// Rows of sums have `row_size` blocks: EXTENT, or INPUT_EXTENT if they are still to be
/// transformed.
GRAFT_INLINE void NAME(store_output)(
    const block *rows, const ptrdiff_t row_size, const float *bias, const float *residual,
    const graft_activation *activation, int pools, float *image, ptrdiff_t height, ptrdiff_t width,
    ptrdiff_t top, ptrdiff_t left) {
  block results[EXTENT][EXTENT];
  const int clamps = activation->kind == GRAFT_ACTIVATION_CLAMP;
  const block lowest = (float)activation->alpha, highest = (float)activation->beta;
  const block offset = bias ? load_block(bias) : 0;
  const ptrdiff_t row_count = height - top < EXTENT ? height - top : EXTENT;
  const ptrdiff_t column_count = width - left < EXTENT ? width - left : EXTENT;
  const ptrdiff_t place = (top * width + left) * GRAFT_BLOCK;
  for (ptrdiff_t i = 0; i < row_count; i++) {
    block y[EXTENT];
    if (row_size == INPUT_EXTENT)
      NAME(output_row)(rows + i * row_size, y);
    else
      memcpy(y, rows + i * row_size, sizeof y);
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < EXTENT; j++) {
      block x = y[j] + offset;
      if (residual && j < column_count)
        x += load_block(residual + place + (i * width + j) * GRAFT_BLOCK);
      if (clamps) {
        x = x < lowest ? lowest : x;
        x = x > highest ? highest : x;
      }
      results[i][j] = x;
    }
    if (!only_clamps_f32(activation))
      finish_f32(activation, (float *)results[i], EXTENT * GRAFT_BLOCK);
    if (!pools)
      for (ptrdiff_t j = 0; j < column_count; j++)
        store_block(image + place + (i * width + j) * GRAFT_BLOCK, results[i][j]);
  }
  if (!pools) return;
  for (ptrdiff_t i = 0; i + 1 < row_count; i += 2)
    for (ptrdiff_t j = 0; j + 1 < column_count; j += 2) {
      const block upper = larger_block(results[i][j], results[i][j + 1]);
      const block lower = larger_block(results[i + 1][j], results[i + 1][j + 1]);
      store_block(
          image + ((top + i) / 2 * (width / 2) + (left + j) / 2) * GRAFT_BLOCK,
          larger_block(upper, lower));
    }
}

static int NAME(transform_output)(
    const float *products, ptrdiff_t point_stride, const float *bias, const float *residual,
    const graft_activation *activation, int pools, float *image, ptrdiff_t height, ptrdiff_t width,
    ptrdiff_t top, ptrdiff_t left) {
  block columns[EXTENT][INPUT_EXTENT];
  for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
    block m[INPUT_EXTENT], y[EXTENT];
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++)
      m[i] = load_block(products + (i * INPUT_EXTENT + j) * point_stride);
    NAME(output_row)(m, y);
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < EXTENT; i++) columns[i][j] = y[i];
  }
  // Each product is part of the first row or of the last one. Infinity minus itself is NaN.
  block first = columns[0][0], last = columns[EXTENT - 1][0];
#pragma clang loop unroll(full)
  for (ptrdiff_t j = 1; j < INPUT_EXTENT; j++) {
    first += columns[0][j];
    last += columns[EXTENT - 1][j];
  }
  const block sum = first + last;
  if (__builtin_reduce_or(sum - sum != 0)) return 0;
  NAME(store_output)(
      columns[0], INPUT_EXTENT, bias, residual, activation, pools, image, height, width, top, left);
  return 1;
}

/// The kernels of one input channel, from their transform.
GRAFT_INLINE void NAME(restore_kernels)(
    const float *points, ptrdiff_t point_stride, block kernel[3][3]) {
  block rows[4][3];
  for (ptrdiff_t i = 0; i < 4; i++) {
    block t[4];
    for (ptrdiff_t j = 0; j < 4; j++) {
      const ptrdiff_t row = i < 3 ? i : INPUT_EXTENT - 1, column = j < 3 ? j : INPUT_EXTENT - 1;
      t[j] = load_block(points + (row * INPUT_EXTENT + column) * point_stride);
    }
    NAME(kernel_row)(t, rows[i]);
  }
  for (ptrdiff_t j = 0; j < 3; j++) {
    block t[4], w[3];
    for (ptrdiff_t i = 0; i < 4; i++) t[i] = rows[i][j];
    NAME(kernel_row)(t, w);
    for (ptrdiff_t i = 0; i < 3; i++) kernel[i][j] = w[i];
  }
}

static void NAME(convolve_tile)(
    const graft_winograd_problem *p, ptrdiff_t image, ptrdiff_t top, ptrdiff_t left,
    ptrdiff_t output_channel) {
  const ptrdiff_t depth = p->input_blocks * GRAFT_BLOCK;
  const ptrdiff_t lane = output_channel % p->table->product.panel_columns;
  const ptrdiff_t first = output_channel - lane, left_over = p->output_blocks * GRAFT_BLOCK - first;
  const ptrdiff_t columns =
      left_over < p->table->product.panel_columns ? left_over : p->table->product.panel_columns;
  const float *weights = p->weights + first * depth * INPUT_EXTENT * INPUT_EXTENT + lane;
  const ptrdiff_t row_count = p->output_height - top < EXTENT ? p->output_height - top : EXTENT;
  const ptrdiff_t column_count = p->output_width - left < EXTENT ? p->output_width - left : EXTENT;
  block sums[EXTENT][EXTENT] = {0};
  for (ptrdiff_t channel = 0; channel < p->input_channels; channel++) {
    block kernel[3][3];
    NAME(restore_kernels)(weights + channel * columns, depth * columns, kernel);
    const float *pixels = p->input +
                          (image * p->input_blocks + channel / GRAFT_BLOCK) * p->input_height *
                              p->input_width * GRAFT_BLOCK +
                          channel % GRAFT_BLOCK;
    for (ptrdiff_t i = 0; i < row_count; i++)
      for (ptrdiff_t tap = 0; tap < 9; tap++) {
        const ptrdiff_t y = top + i + tap / 3 - p->pad_top;
        if (y < 0 || y >= p->input_height) continue;
        for (ptrdiff_t j = 0; j < column_count; j++) {
          const ptrdiff_t x = left + j + tap % 3 - p->pad_left;
          if (x < 0 || x >= p->input_width) continue;
          sums[i][j] += pixels[(y * p->input_width + x) * GRAFT_BLOCK] * kernel[tap / 3][tap % 3];
        }
      }
  }
  const ptrdiff_t plane = image * p->output_blocks * GRAFT_BLOCK + output_channel;
  const ptrdiff_t positions = p->output_height * p->output_width;
  const ptrdiff_t written = p->pools ? (p->output_height / 2) * (p->output_width / 2) : positions;
  NAME(store_output)(
      sums[0], EXTENT, p->bias ? p->bias + output_channel : NULL,
      p->residual ? p->residual + plane * positions : NULL, &p->activation, p->pools,
      p->output + plane * written, p->output_height, p->output_width, top, left);
}

static void NAME(transform_weights)(const float *source, float *target, ptrdiff_t point_stride) {
  wide_block columns[INPUT_EXTENT][3];
  for (ptrdiff_t j = 0; j < 3; j++) {
    wide_block w[3], t[INPUT_EXTENT];
    for (ptrdiff_t i = 0; i < 3; i++)
      w[i] = __builtin_convertvector(load_block(source + (i * 3 + j) * GRAFT_BLOCK), wide_block);
    NAME(weight_row)(w, t);
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) columns[i][j] = t[i];
  }
  for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) {
    wide_block t[INPUT_EXTENT];
    NAME(weight_row)(columns[i], t);
    for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
      store_block(target, __builtin_convertvector(t[j], block));
      target += point_stride;
    }
  }
}

static void NAME(transform_output_gradient)(
    const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t top, ptrdiff_t left,
    float *target, ptrdiff_t point_stride) {
  const float *source = image + (top * width + left) * GRAFT_BLOCK;
  block columns[INPUT_EXTENT][EXTENT];
  for (ptrdiff_t j = 0; j < EXTENT; j++) {
    block y[EXTENT], m[INPUT_EXTENT];
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < EXTENT; i++) {
      const int is_inside = top + i < height && left + j < width;
      y[i] = is_inside ? load_block(source + (i * width + j) * GRAFT_BLOCK) : 0;
    }
    NAME(output_gradient_row)(y, m);
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) columns[i][j] = m[i];
  }
  for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++) {
    block m[INPUT_EXTENT];
    NAME(output_gradient_row)(columns[i], m);
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
      store_block(target, m[j]);
      target += point_stride;
    }
  }
}

static void NAME(transform_weight_gradient)(
    const float *products, ptrdiff_t point_stride, float *target) {
  block columns[3][INPUT_EXTENT];
  for (ptrdiff_t j = 0; j < INPUT_EXTENT; j++) {
    block t[INPUT_EXTENT], w[3];
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < INPUT_EXTENT; i++)
      t[i] = load_block(products + (i * INPUT_EXTENT + j) * point_stride);
    NAME(weight_gradient_row)(t, w);
#pragma clang loop unroll(full)
    for (ptrdiff_t i = 0; i < 3; i++) columns[i][j] = w[i];
  }
  for (ptrdiff_t i = 0; i < 3; i++) {
    block w[3];
    NAME(weight_gradient_row)(columns[i], w);
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < 3; j++) store_block(target + (i * 3 + j) * GRAFT_BLOCK, w[j]);
  }
}

#undef INPUT_EXTENT
