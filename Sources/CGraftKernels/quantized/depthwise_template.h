// Integer convolution with one kernel per channel: see graft_integer_problem.

typedef uint8_t channel_bytes __attribute__((ext_vector_type(PANEL)));
typedef channel_bytes unaligned_channel_bytes __attribute__((aligned(1)));
typedef int16_t channel_shorts __attribute__((ext_vector_type(PANEL)));
typedef channel_shorts unaligned_channel_shorts __attribute__((aligned(2)));

/// Sums of the windows of a fixed number of positions, for a panel of channels.
GRAFT_INLINE void sum_windows(
    const graft_integer_problem *p, const char *activations, const int16_t *panel, ptrdiff_t column,
    panel_integers *sums, const ptrdiff_t rows) {
  panel_integers totals[4];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++) totals[r] = 0;
  const channel_shorts zero_point = (int16_t)p->activation_zero_point;
  channel_shorts weight_zero_points = 0;
  if (p->weight_zero_points)
    for (ptrdiff_t c = 0; c < PANEL; c++)
      weight_zero_points[c] = (int16_t)p->weight_zero_points[column + c];
  for (ptrdiff_t s = 0; s < p->step_count; s++) {
    const channel_shorts weights =
        *(const unaligned_channel_shorts *)(panel + s * PANEL) - weight_zero_points;
    const panel_integers wide_weights = __builtin_convertvector(weights, panel_integers);
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < rows; r++) {
      const channel_bytes bytes =
          *(const unaligned_channel_bytes *)(activations + r * p->row_stride + p->steps[s]);
      const channel_shorts x = __builtin_convertvector(bytes, channel_shorts) - zero_point;
      totals[r] += __builtin_convertvector(x, panel_integers) * wide_weights;
    }
  }
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++) sums[r] = totals[r];
}

static void multiply_depthwise(const graft_integer_problem *problem) {
  // The windows subtract all zero points themselves.
  graft_integer_problem rest = *problem;
  rest.weight_zero_points = NULL;
  rest.row_zero_points = NULL;
  enum { ROWS = 4 };
  panel_integers sums[ROWS];
  for (ptrdiff_t column = 0; column < problem->column_count; column += PANEL) {
    const int16_t *panel = (const int16_t *)problem->weights + column * problem->step_count;
    for (ptrdiff_t line = 0; line < problem->line_count; line++) {
      const char *activations =
          (const char *)problem->activations + line * problem->line_stride + column;
      ptrdiff_t row = 0;
      for (; row + ROWS <= problem->row_count; row += ROWS) {
        const char *a = activations + row * problem->row_stride;
        sum_windows(problem, a, panel, column, sums, ROWS);
        finish_integers(&rest, sums, line, row, ROWS, column);
      }
      for (; row < problem->row_count; row++) {
        const char *a = activations + row * problem->row_stride;
        sum_windows(problem, a, panel, column, sums, 1);
        finish_integers(&rest, sums, line, row, 1, column);
      }
    }
  }
}

static const graft_integer_product integer_product_depthwise = {
    .activation_form = GRAFT_ACTIVATIONS_BYTES,
    .group_depth = 1,
    .panel_columns = PANEL,
    .multiply = multiply_depthwise,
};
