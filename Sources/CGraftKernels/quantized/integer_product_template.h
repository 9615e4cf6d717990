// Products of bytes with packed weights, for one way to multiply. The file that includes this
// defines
//   INTEGER(base)         the names of the functions defined here
//   ACTIVATION_FORM       GRAFT_ACTIVATIONS_…
//   GROUP_DEPTH           depths that are multiplied at once
//   TILE_ROWS             rows of a full register tile: 4, 6, 12 or 14
//   INTEGER_PRODUCT       the declaration of the product
//   ADD_GROUP(sum, x, w)  adds to each lane the products of its group: x are the activations in
//                         every lane, w the weights at an address
// and includes quantized_template.h.

/// Multiplies a fixed number of rows by a panel: the sums stay in registers.
GRAFT_INLINE void INTEGER(multiply_rows)(
    const graft_integer_problem *p, const char *activations, const int8_t *panel,
    panel_integers *sums, const ptrdiff_t rows) {
  integer_vector totals[TILE_ROWS][2];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t v = 0; v < 2; v++) totals[r][v] = 0;

  const ptrdiff_t stride = p->row_stride;
  for (ptrdiff_t s = 0; s < p->step_count; s++) {
    const char *a = activations + p->steps[s];
#pragma clang loop unroll_count(2)
    for (ptrdiff_t k = 0; k < p->step_groups; k++) {
#pragma clang loop unroll(full)
      for (ptrdiff_t r = 0; r < rows; r++) {
        int32_t group;
        memcpy(&group, a + r * stride, sizeof group);
        const integer_vector x = group;
#pragma clang loop unroll(full)
        for (ptrdiff_t v = 0; v < 2; v++)
          totals[r][v] = ADD_GROUP(totals[r][v], x, panel + v * INTEGER_LANES * GROUP_DEPTH);
      }
      a += sizeof(int32_t);
      panel += PANEL * GROUP_DEPTH;
      // Loads of the next group are not moved up here, as no registers are left for them.
      __asm__ volatile("" ::: "memory");
    }
  }
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t v = 0; v < 2; v++) ((integer_vector *)(sums + r))[v] = totals[r][v];
}

#define ROWS_CASE(rows) \
  case rows: INTEGER(multiply_rows)(p, activations, panel, sums, rows); break;

static void INTEGER(multiply_tile)(
    const graft_integer_problem *p, const char *activations, const int8_t *panel,
    panel_integers *sums, ptrdiff_t rows) {
  switch (rows) {
    ROWS_CASE(1)
    ROWS_CASE(2)
    ROWS_CASE(3)
    ROWS_CASE(4)
#if TILE_ROWS > 4
    ROWS_CASE(5)
    ROWS_CASE(6)
#endif
#if TILE_ROWS > 6
    ROWS_CASE(7)
    ROWS_CASE(8)
    ROWS_CASE(9)
    ROWS_CASE(10)
    ROWS_CASE(11)
    ROWS_CASE(12)
#endif
#if TILE_ROWS > 12
    ROWS_CASE(13)
    ROWS_CASE(14)
#endif
    default: break;
  }
}
#undef ROWS_CASE

/// Sums the activations of each row, minus their zero point.
static void INTEGER(sum_rows)(const graft_integer_problem *p) {
  for (ptrdiff_t line = 0; line < p->line_count; line++)
    for (ptrdiff_t row = 0; row < p->row_count; row++) {
      const char *a = (const char *)p->activations + line * p->line_stride + row * p->row_stride;
      const ptrdiff_t index = line * p->row_count + row;
      int32_t sum = 0;
      for (ptrdiff_t s = 0; s < p->step_count; s++) {
        const char *x = a + p->steps[s];
        if (ACTIVATION_FORM == GRAFT_ACTIVATIONS_BYTES)
          for (ptrdiff_t k = 0; k < p->step_depth; k++) sum += ((const uint8_t *)x)[k];
        else
          for (ptrdiff_t k = 0; k < p->step_depth; k++) sum += ((const int16_t *)x)[k];
      }
      if (ACTIVATION_FORM == GRAFT_ACTIVATIONS_BYTES) {
        const int32_t zero_point =
            p->row_zero_points ? p->row_zero_points[row] : p->activation_zero_point;
        sum -= zero_point * (int32_t)(p->step_count * p->step_depth);
      }
      p->row_sums[index] = sum;
    }
}

static void INTEGER(multiply)(const graft_integer_problem *p) {
  panel_integers sums[TILE_ROWS];
  if (p->weight_zero_points) INTEGER(sum_rows)(p);
  const ptrdiff_t panel_size = p->step_count * p->step_groups * GROUP_DEPTH * PANEL;
  const ptrdiff_t tile_count = (p->row_count + TILE_ROWS - 1) / TILE_ROWS;
  for (ptrdiff_t column = 0; column < p->column_count; column += PANEL) {
    const int8_t *panel = (const int8_t *)p->weights + column / PANEL * panel_size;
    for (ptrdiff_t line = 0; line < p->line_count; line++)
      for (ptrdiff_t tile = 0; tile < tile_count; tile++) {
        const ptrdiff_t row = graft_panel_start(p->row_count, tile_count, tile);
        const ptrdiff_t rows = graft_panel_start(p->row_count, tile_count, tile + 1) - row;
        const char *activations =
            (const char *)p->activations + line * p->line_stride + row * p->row_stride;
        INTEGER(multiply_tile)(p, activations, panel, sums, rows);
        finish_integers(p, sums, line, row, rows, column);
      }
  }
}

INTEGER_PRODUCT = {
    .activation_form = ACTIVATION_FORM,
    .group_depth = GROUP_DEPTH,
    .panel_columns = PANEL,
    .multiply = INTEGER(multiply),
};
