// Depthwise convolution for one element type and instruction set. The file that includes this defines
//   ELEMENT, IS_FLOATING, LANES, TARGET, NAME(base)   as gemm_tile_template.h has them

#include "../gemm/activation_template.h"

typedef ELEMENT NAME(vector) __attribute__((ext_vector_type(LANES)));
typedef ELEMENT NAME(pair) __attribute__((ext_vector_type(2 * LANES)));
typedef ELEMENT NAME(unaligned) __attribute__((aligned(1)));
typedef NAME(vector) NAME(unaligned_vector) __attribute__((aligned(1)));
typedef NAME(pair) NAME(unaligned_pair) __attribute__((aligned(1)));

// Input rows are copied with their zero border, and split by column modulo stride: what a vector of output
// positions reads for one tap is contiguous then, whatever stride and dilation are.

/// Elements of the columns of one residue.
static ptrdiff_t NAME(residue_length)(const graft_conv_axis *width) {
  const ptrdiff_t length =
      width->output + (width->taps - 1) * width->tap_step / width->stride + 1;
  return (length + 4 * LANES + LANES - 1) / LANES * LANES;
}

static size_t NAME(scratch_byte_count)(
    const graft_conv_axis *height, const graft_conv_axis *width, ptrdiff_t row_count) {
  const ptrdiff_t rows =
      (row_count - 1) * height->stride + (height->taps - 1) * height->tap_step + 1;
  // One more row takes results before they are spread.
  return (size_t)((rows * width->stride + 1) * NAME(residue_length)(width)) * sizeof(ELEMENT);
}

/// Copies what lies in columns first, first + 2, … and in those between of the inside of a row.
static inline __attribute__((always_inline)) TARGET void NAME(copy_pairs)(
    const NAME(unaligned) *source, ptrdiff_t count, ELEMENT *even, ELEMENT *odd) {
  ptrdiff_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const NAME(pair) both = *(const NAME(unaligned_pair) *)(source + i * 2);
    *(NAME(unaligned_vector) *)(even + i) = both.even;
    *(NAME(unaligned_vector) *)(odd + i) = both.odd;
  }
  for (; i < count; i++) {
    even[i] = source[i * 2];
    odd[i] = source[i * 2 + 1];
  }
}

/// Copies pairs of columns near the ends of a row, where some are outside of it and 0.
static inline __attribute__((always_inline)) TARGET void NAME(copy_edge)(
    const graft_conv_axis *width, const NAME(unaligned) *row, ptrdiff_t begin, ptrdiff_t end,
    ELEMENT *even, ELEMENT *odd) {
  for (ptrdiff_t i = begin; i < end; i++) {
    const ptrdiff_t column = width->first + 2 * i;
    even[i] = column >= 0 && column < width->input ? row[column] : 0;
    odd[i] = column >= -1 && column + 1 < width->input ? row[column + 1] : 0;
  }
}

static TARGET void NAME(copy_row)(
    const graft_conv_axis *width, const NAME(unaligned) *row, ptrdiff_t length, ELEMENT *target) {
  const ptrdiff_t stride = width->stride, first = width->first;
  if (stride == 2) {
    ELEMENT *odd = target + length;
    ptrdiff_t low = first < 0 ? (1 - first) / 2 : 0;
    ptrdiff_t high = width->input > first ? (width->input - first) / 2 : 0;
    low = low > length ? length : low;
    high = high > length ? length : (high < low ? low : high);
    NAME(copy_edge)(width, row, 0, low, target, odd);
    NAME(copy_pairs)(row + first + 2 * low, high - low, target + low, odd + low);
    NAME(copy_edge)(width, row, high, length, target, odd);
    return;
  }
  for (ptrdiff_t residue = 0; residue < stride; residue++, target += length) {
    // Column i of this residue is input column start + i * stride.
    const ptrdiff_t start = residue + first;
    ptrdiff_t low = start < 0 ? (-start + stride - 1) / stride : 0;
    ptrdiff_t high = start < width->input ? (width->input - start + stride - 1) / stride : 0;
    low = low > length ? length : low;
    high = high > length ? length : (high < low ? low : high);
    for (ptrdiff_t i = 0; i < low; i++) target[i] = 0;
    if (stride == 1)
      memcpy(target + low, row + start + low, (size_t)(high - low) * sizeof(ELEMENT));
    else
      for (ptrdiff_t i = low; i < high; i++) target[i] = row[start + i * stride];
    for (ptrdiff_t i = high; i < length; i++) target[i] = 0;
  }
}

/// Computes `vectors` (a constant where this is inlined) vectors of one output row.
static inline __attribute__((always_inline)) TARGET void NAME(sum_taps)(
    const int vectors, const graft_depthwise_problem *p, const ELEMENT *rows, ptrdiff_t length,
    ELEMENT bias, ELEMENT *target) {
  NAME(vector) sums[4];
#pragma unroll
  for (int v = 0; v < vectors; v++) sums[v] = (NAME(vector))bias;
  const ptrdiff_t stride = p->width.stride;
  for (ptrdiff_t tap_h = 0; tap_h < p->height.taps; tap_h++) {
    const ELEMENT *row = rows + tap_h * p->height.tap_step * stride * length;
    const NAME(unaligned) *weights =
        (const NAME(unaligned) *)p->weights + tap_h * p->weight_row_step;
    ptrdiff_t residue = 0, column = 0;
    for (ptrdiff_t tap_w = 0; tap_w < p->width.taps; tap_w++) {
      const NAME(vector) weight = (NAME(vector))weights[tap_w * p->weight_column_step];
      const ELEMENT *source = row + residue * length + column;
#pragma unroll
      for (int v = 0; v < vectors; v++)
        sums[v] += weight * *(const NAME(unaligned_vector) *)(source + v * LANES);
      residue += p->width.tap_step % stride;
      column += p->width.tap_step / stride;
      if (residue >= stride) residue -= stride, column++;
    }
  }
#pragma unroll
  for (int v = 0; v < vectors; v++) *(NAME(unaligned_vector) *)(target + v * LANES) = sums[v];
}

static TARGET void NAME(convolve_rows)(
    const graft_depthwise_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, void *scratch) {
  const ptrdiff_t length = NAME(residue_length)(&p->width);
  const ptrdiff_t row_size = p->width.stride * length;
  const ptrdiff_t first_input = first_row * p->height.stride + p->height.first;
  const ptrdiff_t input_rows =
      (row_count - 1) * p->height.stride + (p->height.taps - 1) * p->height.tap_step + 1;
  const NAME(unaligned) *input = p->input, *residual = p->residual;
  const ELEMENT bias = p->bias ? *(const NAME(unaligned) *)p->bias : 0;
  ELEMENT *rows = scratch;
  for (ptrdiff_t i = 0; i < input_rows; i++) {
    const ptrdiff_t input_row = first_input + i;
    if (input_row >= 0 && input_row < p->height.input)
      NAME(copy_row)(&p->width, input + input_row * p->width.input, length, rows + i * row_size);
    else
      memset(rows + i * row_size, 0, (size_t)row_size * sizeof(ELEMENT));
  }
  const ptrdiff_t width = p->width.output, step = p->output_column_step;
  ELEMENT *spread = rows + input_rows * row_size;
  for (ptrdiff_t i = 0; i < row_count; i++) {
    const ELEMENT *source = rows + i * p->height.stride * row_size;
    const ptrdiff_t place = (first_row + i) * p->output_row_step;
    ELEMENT *output = (ELEMENT *)p->output + place;
    ELEMENT *target = step == 1 ? output : spread;
    ptrdiff_t column = 0;
    for (; column + 4 * LANES <= width; column += 4 * LANES)
      NAME(sum_taps)(4, p, source + column, length, bias, target + column);
    for (; column + LANES <= width; column += LANES)
      NAME(sum_taps)(1, p, source + column, length, bias, target + column);
    if (column < width) {
      ELEMENT sums[LANES];
      NAME(sum_taps)(1, p, source + column, length, bias, sums);
      memcpy(target + column, sums, (size_t)(width - column) * sizeof(ELEMENT));
    }
    if (residual)
      for (ptrdiff_t j = 0; j < width; j++) target[j] += residual[place + j * step];
    NAME(activate)(&p->activation, target, width);
    if (step != 1)
      for (ptrdiff_t j = 0; j < width; j++) output[j * step] = spread[j];
  }
}

static const graft_depthwise_table NAME(depthwise_table) = {
    NAME(convolve_rows), NAME(scratch_byte_count),
};
