// Depthwise convolution for one element type, whose activations are from gemm_template.h. The file
// that includes this defines
//   ELEMENT, LANES, NAME(base)   as gemm_tile_template.h has them

typedef ELEMENT NAME(vector) __attribute__((ext_vector_type(LANES)));
typedef ELEMENT NAME(pair) __attribute__((ext_vector_type(2 * LANES)));
typedef ELEMENT NAME(unaligned) __attribute__((aligned(1)));
typedef NAME(vector) NAME(unaligned_vector) __attribute__((aligned(1)));
typedef NAME(pair) NAME(unaligned_pair) __attribute__((aligned(1)));

// Input rows are copied with a border of zeros, and split by column modulo stride: a vector of
// output positions then reads contiguous elements for each tap, with any stride and dilation.

/// Elements of the columns of one residue.
static ptrdiff_t NAME(residue_length)(const graft_conv_axis *width) {
  const ptrdiff_t length = width->output + (width->taps - 1) * width->tap_step / width->stride + 1;
  return (length + LANES + LANES - 1) / LANES * LANES;
}

static size_t NAME(depthwise_scratch_byte_count)(
    const graft_conv_axis *height, const graft_conv_axis *width, ptrdiff_t row_count) {
  const ptrdiff_t rows =
      (row_count - 1) * height->stride + (height->taps - 1) * height->tap_step + 1;
  // One more row is for results before they are spread, then come the taps.
  const size_t elements = (size_t)((rows * width->stride + 1) * NAME(residue_length)(width));
  return elements * sizeof(ELEMENT) +
         (size_t)(height->taps * width->taps) * (sizeof(ptrdiff_t) + sizeof(ELEMENT));
}

/// Separates columns first, first + 2, … from those between, inside a row.
GRAFT_INLINE void NAME(copy_pairs)(
    const NAME(unaligned) * source, ptrdiff_t count, ELEMENT *even, ELEMENT *odd) {
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

/// Copies pairs of columns near the ends of a row; columns outside the row are 0.
GRAFT_INLINE void NAME(copy_edge)(
    const graft_conv_axis *width, const NAME(unaligned) * row, ptrdiff_t begin, ptrdiff_t end,
    ELEMENT *even, ELEMENT *odd) {
  for (ptrdiff_t i = begin; i < end; i++) {
    const ptrdiff_t column = width->first + 2 * i;
    even[i] = column >= 0 && column < width->input ? row[column] : 0;
    odd[i] = column >= -1 && column + 1 < width->input ? row[column + 1] : 0;
  }
}

static void NAME(copy_row)(
    const graft_conv_axis *width, const NAME(unaligned) * row, ptrdiff_t length, ELEMENT *target) {
  const ptrdiff_t stride = width->stride, first = width->first;
  if (stride == 2) {
    ELEMENT *odd = target + length;
    ptrdiff_t low = first < 0 ? (1 - first) / 2 : 0;
    ptrdiff_t high = width->input > first ? (width->input - first) / 2 : 0;
    low = low > length ? length : low;
    high = high > length ? length : (high < low ? low : high);
    NAME(copy_edge)(width, row, 0, low, target, odd);
    NAME(copy_pairs)(row + first + 2 * low, high - low, target + low, odd + low);
    const ptrdiff_t end = high < length ? high + 1 : length;
    NAME(copy_edge)(width, row, high, end, target, odd);
    memset(target + end, 0, (size_t)(length - end) * sizeof(ELEMENT));
    memset(odd + end, 0, (size_t)(length - end) * sizeof(ELEMENT));
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

/// The places that taps read, relative to the first element that a row of output positions reads.
typedef struct {
  ptrdiff_t count;
  const ptrdiff_t *offsets;
  const ELEMENT *weights;
} NAME(taps);

/// Computes `vectors` (a constant when inlined) vectors of one output row.
GRAFT_INLINE void NAME(sum_taps)(
    const int vectors, const NAME(taps) * taps, const ELEMENT *source, ELEMENT bias,
    ELEMENT *target) {
  NAME(vector) sums[4];
#pragma unroll
  for (int v = 0; v < vectors; v++) sums[v] = (NAME(vector))bias;
  for (ptrdiff_t tap = 0; tap < taps->count; tap++) {
    const NAME(vector) weight = (NAME(vector))taps->weights[tap];
    const ELEMENT *place = source + taps->offsets[tap];
#pragma unroll
    for (int v = 0; v < vectors; v++)
      sums[v] += weight * *(const NAME(unaligned_vector) *)(place + v * LANES);
  }
#pragma unroll
  for (int v = 0; v < vectors; v++) *(NAME(unaligned_vector) *)(target + v * LANES) = sums[v];
}

/// Computes one output row. Writes whole vectors, so up to one vector beyond `width`.
static void NAME(sum_row)(
    const NAME(taps) * taps, const ELEMENT *source, ptrdiff_t width, ELEMENT bias,
    ELEMENT *target) {
  for (; width > 3 * LANES; width -= 4 * LANES, source += 4 * LANES, target += 4 * LANES)
    NAME(sum_taps)(4, taps, source, bias, target);
  if (width > 2 * LANES)
    NAME(sum_taps)(3, taps, source, bias, target);
  else if (width > LANES)
    NAME(sum_taps)(2, taps, source, bias, target);
  else if (width > 0)
    NAME(sum_taps)(1, taps, source, bias, target);
}

/// Stores the taps in scratch memory.
static NAME(taps) NAME(list_taps)(
    const graft_depthwise_problem *p, ptrdiff_t row_size, ptrdiff_t length, void *memory) {
  const ptrdiff_t count = p->height.taps * p->width.taps, stride = p->width.stride;
  ptrdiff_t *offsets = memory;
  ELEMENT *weights = (ELEMENT *)(offsets + count);
  const NAME(unaligned) *source = p->weights;
  for (ptrdiff_t row = 0, tap = 0; row < p->height.taps; row++)
    for (ptrdiff_t column = 0; column < p->width.taps; column++, tap++) {
      const ptrdiff_t shift = column * p->width.tap_step;
      offsets[tap] = row * p->height.tap_step * row_size + shift % stride * length + shift / stride;
      weights[tap] = source[row * p->weight_row_step + column * p->weight_column_step];
    }
  return (NAME(taps)){count, offsets, weights};
}

static void NAME(convolve_rows)(
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
  const NAME(taps) taps = NAME(list_taps)(p, row_size, length, spread + length);
  const int is_direct = step == 1 && width % LANES == 0;
  for (ptrdiff_t i = 0; i < row_count; i++) {
    const ELEMENT *source = rows + i * p->height.stride * row_size;
    const ptrdiff_t place = (first_row + i) * p->output_row_step;
    ELEMENT *output = (ELEMENT *)p->output + place;
    ELEMENT *target = is_direct ? output : spread;
    NAME(sum_row)(&taps, source, width, bias, target);
    if (residual)
      for (ptrdiff_t j = 0; j < width; j++) target[j] += residual[place + j * step];
    NAME(activate)(&p->activation, target, width);
    if (is_direct) continue;
    if (step == 1)
      memcpy(output, spread, (size_t)width * sizeof(ELEMENT));
    else
      for (ptrdiff_t j = 0; j < width; j++) output[j * step] = spread[j];
  }
}

static const graft_depthwise_table NAME(depthwise_table) = {
    NAME(convolve_rows),
    NAME(depthwise_scratch_byte_count),
};
