// Products of few rows with a large matrix, which is read once and in place; for the required
// definitions see gemm_tile_template.h.

/// alpha * sum + beta * addends, for one element.
GRAFT_INLINE ELEMENT
NAME(finished)(const graft_gemm_problem *p, ptrdiff_t row, ptrdiff_t column, ELEMENT sum) {
  const ELEMENT beta = (ELEMENT)p->beta;
  const NAME(unaligned) *addend = p->addend, *row_addend = p->row_addend;
  sum *= (ELEMENT)p->alpha;
  if (row_addend) sum += beta * row_addend[row * p->row_addend_stride];
  if (addend) sum += beta * addend[row * p->addend_row_stride + column];
  return sum;
}

static void NAME(activate_columns)(
    const graft_gemm_problem *p, ptrdiff_t first_column, ptrdiff_t column_count) {
#if IS_FLOATING
  for (ptrdiff_t row = 0; row < p->rows; row++)
    NAME(activate)(
        &p->activation, (ELEMENT *)p->c + row * p->c_row_stride + first_column, column_count);
#else
  (void)p, (void)first_column, (void)column_count;
#endif
}

static void NAME(finish_rows)(
    const graft_gemm_problem *p, const void *untyped_partial, ptrdiff_t split_count,
    ptrdiff_t first_column, ptrdiff_t column_count) {
  const ELEMENT *partial = untyped_partial;
  const ptrdiff_t stride = graft_partial_stride(p->columns), size = p->rows * stride;
  for (ptrdiff_t row = 0; row < p->rows; row++) {
    ELEMENT *c = (ELEMENT *)p->c + row * p->c_row_stride;
    for (ptrdiff_t column = first_column; column < first_column + column_count; column++)
      c[column] = partial[row * stride + column];
    for (ptrdiff_t split = 1; split < split_count; split++)
      for (ptrdiff_t column = first_column; column < first_column + column_count; column++)
        c[column] += partial[split * size + row * stride + column];
    for (ptrdiff_t column = first_column; column < first_column + column_count; column++)
      c[column] = NAME(finished)(p, row, column, c[column]);
  }
  NAME(activate_columns)(p, first_column, column_count);
}
