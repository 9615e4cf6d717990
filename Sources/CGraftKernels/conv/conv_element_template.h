// Convolution as a matrix product whose right side is read directly from the image, for one element
// type. The file that includes this defines
//   ELEMENT, LANES         the element type and the elements of a vector
//   HAS_MASKS              whether vectors of float can be loaded under a mask
//   NAME(base)             the name of a function of this instance
//   TILES                  the register tiles (graft_tile_table)

typedef ELEMENT NAME(vector) __attribute__((ext_vector_type(LANES)));
typedef ELEMENT NAME(pair) __attribute__((ext_vector_type(2 * LANES)));
typedef ELEMENT NAME(unaligned) __attribute__((aligned(1)));
typedef NAME(vector) NAME(unaligned_vector) __attribute__((aligned(1)));
typedef NAME(pair) NAME(unaligned_pair) __attribute__((aligned(1)));

/// Copies pieces of input rows, one per channel: `count` elements `stride` apart, starting at
/// position `start` of a row of `extent`. Positions outside the row are 0.
static void NAME(copy_pieces)(
    const NAME(unaligned) * row, ptrdiff_t row_step, ptrdiff_t extent, ptrdiff_t start,
    ptrdiff_t stride, ptrdiff_t count, ELEMENT *target, ptrdiff_t target_step,
    ptrdiff_t channel_count) {
  row += start;
#if HAS_MASKS
  if (stride == 1) {
    const ptrdiff_t low = -start, high = extent - start;
    for (ptrdiff_t i = 0; i < count; i += 16) {
      const uint32_t written = GRAFT_CONV_LANES_BELOW(count - i);
      const uint32_t loaded = GRAFT_CONV_LANES_BELOW(high - i) & ~GRAFT_CONV_LANES_BELOW(low - i);
      const float *source = (const float *)row + i;
      ELEMENT *place = target + i;
      for (ptrdiff_t channel = 0; channel < channel_count; channel++) {
        _mm512_mask_storeu_ps(
            place, (__mmask16)written, _mm512_maskz_loadu_ps((__mmask16)loaded, source));
        source += row_step;
        place += target_step;
      }
    }
    return;
  }
#endif
  ptrdiff_t low = 0, high = count;
  if (start < 0) low = (-start + stride - 1) / stride;
  if (low > count) low = count;
  if (start + (count - 1) * stride >= extent) high = (extent - start + stride - 1) / stride;
  if (high < low) high = low;
  for (ptrdiff_t channel = 0; channel < channel_count; channel++) {
    for (ptrdiff_t i = 0; i < low; i++) target[i] = 0;
    if (stride == 1) {
      for (ptrdiff_t i = low; i < high; i++) target[i] = row[i];
    } else if (stride == 2) {
      ptrdiff_t i = low;
      // The last of a pair of vectors may be beyond the row.
      for (; i + LANES < high; i += LANES)
        *(NAME(unaligned_vector) *)(target + i) =
            (*(const NAME(unaligned_pair) *)(row + i * 2)).even;
      for (; i < high; i++) target[i] = row[i * 2];
    } else {
      for (ptrdiff_t i = low; i < high; i++) target[i] = row[i * stride];
    }
    for (ptrdiff_t i = high; i < count; i++) target[i] = 0;
    row += row_step;
    target += target_step;
  }
}

/// Unrolls part of the input: target[k][i] is the input that output position `first_position + i`
/// reads for channel and tap `first_depth + k`. Rows are `width` apart, and 0 beyond `count`.
static void NAME(unroll)(
    const graft_conv_axis *axes, const void *untyped_input, ptrdiff_t first_depth, ptrdiff_t depth,
    ptrdiff_t first_position, ptrdiff_t count, ptrdiff_t width, ELEMENT *target) {
  const graft_conv_axis d = axes[0], h = axes[1], w = axes[2];
  const NAME(unaligned) *input = untyped_input;
  const ptrdiff_t channel_size = d.input * h.input * w.input;
  const ptrdiff_t tap_count = d.taps * h.taps * w.taps;
  if (count < width)
    for (ptrdiff_t k = 0; k < depth; k++)
      memset(target + k * width + count, 0, (size_t)(width - count) * sizeof(ELEMENT));

  const ptrdiff_t first_w = first_position % w.output;
  const ptrdiff_t first_h = first_position / w.output % h.output;
  const ptrdiff_t first_d = first_position / w.output / h.output;
  const ptrdiff_t begin_channel = first_depth / tap_count, begin_tap = first_depth % tap_count;
  const ptrdiff_t end_channel = (first_depth + depth) / tap_count,
                  end_tap = (first_depth + depth) % tap_count;
  // The pieces of an output row have the same places for a tap of all channels.
  ptrdiff_t tap = 0;
  for (ptrdiff_t tap_d = 0; tap_d < d.taps; tap_d++)
    for (ptrdiff_t tap_h = 0; tap_h < h.taps; tap_h++)
      for (ptrdiff_t tap_w = 0; tap_w < w.taps; tap_w++, tap++) {
        const ptrdiff_t channel = begin_channel + (tap < begin_tap);
        const ptrdiff_t channel_count = end_channel + (tap < end_tap) - channel;
        if (channel_count <= 0) continue;
        ELEMENT *place = target + (channel * tap_count + tap - first_depth) * width;
        const NAME(unaligned) *plane = input + channel * channel_size;
        ptrdiff_t output_w = first_w, output_h = first_h, output_d = first_d;
        for (ptrdiff_t done = 0; done < count;) {
          const ptrdiff_t piece =
              w.output - output_w < count - done ? w.output - output_w : count - done;
          const ptrdiff_t input_d = output_d * d.stride + d.first + tap_d * d.tap_step;
          const ptrdiff_t input_h = output_h * h.stride + h.first + tap_h * h.tap_step;
          const ptrdiff_t input_w = output_w * w.stride + w.first + tap_w * w.tap_step;
          const int is_inside =
              input_d >= 0 && input_d < d.input && input_h >= 0 && input_h < h.input;
          NAME(copy_pieces)(
              is_inside ? plane + (input_d * h.input + input_h) * w.input : plane, channel_size,
              is_inside ? w.input : 0, input_w, w.stride, piece, place + done, tap_count * width,
              channel_count);
          done += piece;
          output_w = 0;
          if (++output_h == h.output) output_h = 0, output_d++;
        }
      }
}

static void NAME(unroll_all)(const graft_conv_problem *p, void *columns) {
  const graft_conv_axis *axes = p->axes;
  const ptrdiff_t positions = axes[0].output * axes[1].output * axes[2].output;
  const ptrdiff_t depth = p->channels * axes[0].taps * axes[1].taps * axes[2].taps;
  NAME(unroll)(axes, p->input, 0, depth, 0, positions, positions, columns);
}

/// The places of output positions, relative to the first element of a row.
static void NAME(find_places)(
    const graft_conv_problem *p, ptrdiff_t first_position, ptrdiff_t count, ptrdiff_t *places) {
  const ptrdiff_t height = p->axes[1].output, width = p->axes[2].output;
  ptrdiff_t w = first_position % width, h = first_position / width % height;
  ptrdiff_t d = first_position / width / height;
  for (ptrdiff_t i = 0; i < count; i++) {
    places[i] = d * p->output_step[0] + h * p->output_step[1] + w * p->output_step[2];
    if (++w < width) continue;
    w = 0;
    if (++h == height) h = 0, d++;
  }
}

/// Copies the elements at some places of rows to a tile.
static void NAME(gather)(
    const NAME(unaligned) * source, ptrdiff_t row_stride, const ptrdiff_t *places, ptrdiff_t count,
    ptrdiff_t rows, ELEMENT *tile) {
  for (ptrdiff_t row = 0; row < rows; row++)
    for (ptrdiff_t i = 0; i < count; i++)
      tile[row * 2 * LANES + i] = source[row * row_stride + places[i]];
}

/// Copies a tile to some places of rows.
static void NAME(scatter)(
    const ELEMENT *tile, ptrdiff_t row_stride, const ptrdiff_t *places, ptrdiff_t count,
    ptrdiff_t rows, ELEMENT *target) {
  for (ptrdiff_t row = 0; row < rows; row++)
    for (ptrdiff_t i = 0; i < count; i++)
      target[row * row_stride + places[i]] = tile[row * 2 * LANES + i];
}

static size_t NAME(convolve_scratch_byte_count)(ptrdiff_t depth) {
  return graft_align_up(
      ((size_t)graft_depth_block(depth) * 2 * LANES + 2 * LANES) * sizeof(ELEMENT));
}

static void NAME(convolve)(
    const graft_conv_problem *p, ptrdiff_t first_panel, ptrdiff_t panel_count,
    ptrdiff_t first_position, ptrdiff_t position_count, void *scratch) {
  const ptrdiff_t height = p->axes[1].output, width = p->axes[2].output;
  const int is_dense =
      p->output_step[2] == 1 && p->output_step[1] == width && p->output_step[0] == width * height;
  const ptrdiff_t full_depth = p->channels * p->axes[0].taps * p->axes[1].taps * p->axes[2].taps;
  const ptrdiff_t block = graft_depth_block(full_depth);
  const ELEMENT *weights = p->weights;
  const NAME(unaligned) *bias = p->bias, *residual = p->residual;
  ELEMENT *columns = scratch;
  ELEMENT sums[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
  ELEMENT addend[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
  ptrdiff_t places[2 * LANES];

  ptrdiff_t k = 0;
  do {
    const ptrdiff_t depth = full_depth - k < block ? full_depth - k : block;
    for (ptrdiff_t offset = 0; offset < position_count; offset += 2 * LANES) {
      const ptrdiff_t position = first_position + offset;
      const ptrdiff_t left = position_count - offset;
      const ptrdiff_t count = left < 2 * LANES ? left : 2 * LANES;
      NAME(unroll)(
          p->axes, p->input, k, depth, position, count, count <= LANES ? LANES : 2 * LANES,
          columns);
      if (!is_dense) NAME(find_places)(p, position, count, places);
      for (ptrdiff_t panel = first_panel; panel < first_panel + panel_count; panel++) {
        const ptrdiff_t row = graft_panel_start(p->rows, p->panel_count, panel);
        const ptrdiff_t rows = graft_panel_start(p->rows, p->panel_count, panel + 1) - row;
        ELEMENT *output = (ELEMENT *)p->output + row * p->output_row_stride;
        graft_tile tile = {
            .depth = depth,
            .a = weights + row * full_depth + k * rows,
            .b = columns,
            .row_addend = bias ? bias + row : NULL,
            .row_addend_stride = 1,
            .beta = 1,
            .activation = &p->activation,
            .is_first = k == 0,
            .is_last = k + depth >= full_depth,
        };
        if (is_dense) {
          tile.c = output + position;
          tile.c_row_stride = p->output_row_stride;
          tile.addend = residual ? residual + row * p->output_row_stride + position : NULL;
          tile.addend_row_stride = p->output_row_stride;
          TILES.run(&tile, rows, count);
          continue;
        }
        tile.c = sums;
        tile.c_row_stride = 2 * LANES;
        tile.addend = residual ? addend : NULL;
        tile.addend_row_stride = 2 * LANES;
        const ptrdiff_t stride = p->output_row_stride;
        if (!tile.is_first) NAME(gather)(output, stride, places, count, rows, sums);
        if (tile.is_first && residual)
          NAME(gather)(residual + row * stride, stride, places, count, rows, addend);
        TILES.run(&tile, rows, count);
        NAME(scatter)(sums, stride, places, count, rows, output);
      }
    }
    k += depth;
  } while (k < full_depth);
}

static void NAME(pack_weights)(
    const graft_conv_weights *w, ptrdiff_t panel_count, ptrdiff_t first_panel,
    ptrdiff_t packed_panel_count, void *packed) {
  const ptrdiff_t tap_count = w->taps[0] * w->taps[1] * w->taps[2];
  const ptrdiff_t depth = w->channels * tap_count;
  const int has_dense_taps = w->tap_stride[2] == 1 && w->tap_stride[1] == w->taps[2] &&
                             w->tap_stride[0] == w->taps[1] * w->taps[2];
  for (ptrdiff_t panel = first_panel; panel < first_panel + packed_panel_count; panel++) {
    const ptrdiff_t start = graft_panel_start(w->rows, panel_count, panel);
    const ptrdiff_t rows = graft_panel_start(w->rows, panel_count, panel + 1) - start;
    ELEMENT *target = (ELEMENT *)packed + start * depth;
    if (has_dense_taps) {
      const NAME(unaligned) *source = (const NAME(unaligned) *)w->weights + start * w->row_stride;
      if (w->channel_stride == tap_count) {
        TILES.transpose(source, w->row_stride, rows, depth, target, rows);
      } else {
        for (ptrdiff_t channel = 0; channel < w->channels; channel++)
          if (w->row_stride == 1 && tap_count == 1)
            memcpy(
                target + channel * rows, source + channel * w->channel_stride,
                (size_t)rows * sizeof(ELEMENT));
          else
            TILES.transpose(
                source + channel * w->channel_stride, w->row_stride, rows, tap_count,
                target + channel * tap_count * rows, rows);
      }
      continue;
    }
    for (ptrdiff_t channel = 0; channel < w->channels; channel++)
      for (ptrdiff_t tap_d = 0; tap_d < w->taps[0]; tap_d++)
        for (ptrdiff_t tap_h = 0; tap_h < w->taps[1]; tap_h++)
          for (ptrdiff_t tap_w = 0; tap_w < w->taps[2]; tap_w++) {
            const NAME(unaligned) *source = (const NAME(unaligned) *)w->weights +
                                            start * w->row_stride + channel * w->channel_stride +
                                            tap_d * w->tap_stride[0] + tap_h * w->tap_stride[1] +
                                            tap_w * w->tap_stride[2];
            for (ptrdiff_t row = 0; row < rows; row++) *target++ = source[row * w->row_stride];
          }
  }
}

#include "conv_gradient_template.h"

static const graft_conv_table NAME(conv_table) = {
    GEMM_ROWS,
    2 * LANES,
    NAME(convolve),
    NAME(pack_weights),
    NAME(unroll_all),
    NAME(weight_gradient),
    NAME(convolve_scratch_byte_count),
    NAME(gradient_scratch_byte_count),
};
