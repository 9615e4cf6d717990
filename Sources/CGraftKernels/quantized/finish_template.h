// Finishes the sums of integer products: see graft_integer_problem.

/// The columns of a panel.
enum { PANEL = 2 * INTEGER_LANES };

// A row of a panel.
typedef int32_t panel_integers __attribute__((ext_vector_type(PANEL)));
typedef int64_t panel_words __attribute__((ext_vector_type(PANEL)));
typedef float panel_floats __attribute__((ext_vector_type(PANEL)));
typedef double panel_doubles __attribute__((ext_vector_type(PANEL)));
typedef int8_t panel_bytes __attribute__((ext_vector_type(PANEL)));
typedef panel_integers unaligned_panel_integers __attribute__((aligned(4)));
typedef panel_floats unaligned_panel_floats __attribute__((aligned(4)));
typedef panel_bytes unaligned_panel_bytes __attribute__((aligned(1)));

/// clamp(round(x), lowest, highest), ties to even; NaN becomes the lowest. The bounds are integers
/// of at most 2^31.
GRAFT_INLINE panel_integers rounded_between(panel_doubles x, double lowest, double highest) {
  // Doubles of 2^52 and more are integers: adding 1.5 times that rounds, and leaves the integer in
  // the low bits.
  const double magic = 6755399441055744.0;
  const panel_doubles low = lowest, high = highest;
  x = x > low ? x : low;
  x = x < high ? x : high;
  return __builtin_convertvector((panel_words)(x + magic), panel_integers);
}

/// Subtracts what the zero points of weights and rows contribute.
static void subtract_zero_points(
    const graft_integer_problem *p, panel_integers *sums, ptrdiff_t line, ptrdiff_t row,
    ptrdiff_t rows, ptrdiff_t column) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    if (p->weight_zero_points)
      sums[r] -= p->row_sums[line * p->row_count + row + r] *
                 *(const unaligned_panel_integers *)(p->weight_zero_points + column);
    if (p->row_zero_points)
      sums[r] -= p->row_zero_points[row + r] *
                 *(const unaligned_panel_integers *)(p->weight_sums + column);
  }
}

/// Makes rows of bytes, `stride` apart, of sums. `has_addends` is a constant when inlined.
GRAFT_INLINE void requantize_rows(
    const graft_integer_problem *p, const panel_integers *sums, ptrdiff_t column, int8_t *target,
    ptrdiff_t stride, ptrdiff_t rows, const int has_addends) {
  const panel_integers offsets = *(const unaligned_panel_integers *)(p->offsets + column);
  const panel_doubles factors = __builtin_convertvector(
      *(const unaligned_panel_floats *)(p->multipliers + column), panel_doubles);
  panel_doubles addends = 0;
  if (has_addends)
    addends = __builtin_convertvector(
        *(const unaligned_panel_floats *)(p->addends + column), panel_doubles);
  const double lowest = p->lowest, highest = p->highest;
  const int32_t zero_point = p->zero_point;
  for (ptrdiff_t r = 0; r < rows; r++) {
    panel_doubles x = __builtin_convertvector(sums[r] + offsets, panel_doubles) * factors;
    if (has_addends) x += addends;
    const panel_integers y = rounded_between(x, lowest, highest) + zero_point;
    *(unaligned_panel_bytes *)(target + r * stride) = __builtin_convertvector(y, panel_bytes);
  }
}

static void requantize_panel(
    const graft_integer_problem *p, const panel_integers *sums, ptrdiff_t column, int8_t *target,
    ptrdiff_t stride, ptrdiff_t rows) {
  if (p->addends)
    requantize_rows(p, sums, column, target, stride, rows, 1);
  else
    requantize_rows(p, sums, column, target, stride, rows, 0);
}

/// Makes results of 32 bits of sums, in place.
static void complete_sums(
    const graft_integer_problem *p, panel_integers *sums, ptrdiff_t column, ptrdiff_t rows) {
  const panel_integers offsets = *(const unaligned_panel_integers *)(p->offsets + column);
  if (p->result_kind == GRAFT_RESULT_I32) {
    for (ptrdiff_t r = 0; r < rows; r++) sums[r] += offsets;
    return;
  }
  const panel_floats multipliers = *(const unaligned_panel_floats *)(p->multipliers + column);
  panel_floats addends = 0;
  if (p->addends) addends = *(const unaligned_panel_floats *)(p->addends + column);
  for (ptrdiff_t r = 0; r < rows; r++) {
    panel_floats x = __builtin_convertvector(sums[r] + offsets, panel_floats) * multipliers;
    if (p->addends) x += addends;
    sums[r] = (panel_integers)x;
  }
}

/// Copies elements of `size` bytes of a panel's rows to their places.
GRAFT_INLINE void place_results(
    const graft_integer_problem *p, const char *panel, char *target, ptrdiff_t rows,
    ptrdiff_t columns, const ptrdiff_t size) {
  const ptrdiff_t row_stride = p->result_row_stride, column_stride = p->result_column_stride;
  if (column_stride == 1) {
    for (ptrdiff_t r = 0; r < rows; r++)
      memcpy(target + r * row_stride * size, panel + r * PANEL * size, (size_t)(columns * size));
    return;
  }
  for (ptrdiff_t c = 0; c < columns; c++)
    for (ptrdiff_t r = 0; r < rows; r++)
      memcpy(
          target + (c * column_stride + r * row_stride) * size, panel + (r * PANEL + c) * size,
          (size_t)size);
}

/// Makes the results of some rows' sums in a panel.
static void finish_integers(
    const graft_integer_problem *p, panel_integers *sums, ptrdiff_t line, ptrdiff_t row,
    ptrdiff_t rows, ptrdiff_t column) {
  const ptrdiff_t left = p->column_count - column, columns = left < PANEL ? left : PANEL;
  const ptrdiff_t place =
      line * p->result_line_stride + row * p->result_row_stride + column * p->result_column_stride;
  if (p->weight_zero_points || p->row_zero_points)
    subtract_zero_points(p, sums, line, row, rows, column);
  if (p->result_kind == GRAFT_RESULT_I32 || p->result_kind == GRAFT_RESULT_F32) {
    complete_sums(p, sums, column, rows);
    char *target = (char *)p->results + place * 4;
    place_results(p, (const char *)sums, target, rows, columns, 4);
    return;
  }
  int8_t *target = (int8_t *)p->results + place;
  if (p->result_column_stride == 1 && columns == PANEL) {
    requantize_panel(p, sums, column, target, p->result_row_stride, rows);
    return;
  }
  panel_bytes bytes[TALLEST_TILE];
  requantize_panel(p, sums, column, (int8_t *)bytes, PANEL, rows);
  place_results(p, (const char *)bytes, (char *)target, rows, columns, 1);
}

/// Requantizes sums: see graft_quantized_table.
static void requantize(
    const int32_t *sums, const float *multipliers, ptrdiff_t step, int32_t zero_point,
    int32_t lowest, int32_t highest, void *untyped, ptrdiff_t count) {
  int8_t *y = untyped;
  for (ptrdiff_t i = 0; i < count; i += PANEL) {
    const size_t left = (size_t)(count - i < PANEL ? count - i : PANEL);
    panel_integers x = 0;
    panel_floats factors = 0;
    memcpy(&x, sums + i, left * sizeof *sums);
    if (step == 0)
      factors = *multipliers;
    else
      memcpy(&factors, multipliers + i, left * sizeof *multipliers);
    const panel_doubles products =
        __builtin_convertvector(x, panel_doubles) * __builtin_convertvector(factors, panel_doubles);
    const panel_bytes bytes = __builtin_convertvector(
        rounded_between(products, lowest, highest) + zero_point, panel_bytes);
    memcpy(y + i, &bytes, left);
  }
}
