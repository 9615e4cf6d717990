// The gradient of a convolution's weights; for the required definitions see conv_template.h.

static size_t NAME(gradient_scratch_byte_count)(ptrdiff_t rows, ptrdiff_t positions) {
  const size_t block =
      positions < GRAFT_CONV_MAXIMUM_POSITIONS ? (size_t)positions : GRAFT_CONV_MAXIMUM_POSITIONS;
  const size_t padded = (block + LANES - 1) / LANES * LANES;
  return graft_align_up((size_t)rows * block * sizeof(ELEMENT)) +
         2 * graft_align_up((2 * LANES * padded + LANES) * sizeof(ELEMENT));
}

static void NAME(weight_gradient)(
    const graft_conv_gradient_problem *p, ptrdiff_t first_column, ptrdiff_t column_count,
    void *scratch) {
  const ptrdiff_t positions = p->axes[0].output * p->axes[1].output * p->axes[2].output;
  const ptrdiff_t depth = p->channels * p->axes[0].taps * p->axes[1].taps * p->axes[2].taps;
  const ptrdiff_t block =
      positions < GRAFT_CONV_MAXIMUM_POSITIONS ? positions : GRAFT_CONV_MAXIMUM_POSITIONS;
  const ptrdiff_t panel_count = (p->rows + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t padded = (block + LANES - 1) / LANES * LANES;
  ELEMENT *rows = scratch;
  ELEMENT *unrolled =
      (ELEMENT *)((char *)scratch + graft_align_up((size_t)(p->rows * block) * sizeof(ELEMENT)));
  ELEMENT *columns =
      (ELEMENT *)((char *)unrolled +
                  graft_align_up((size_t)(2 * LANES * padded + LANES) * sizeof(ELEMENT)));
  const graft_activation identity = {
      GRAFT_ACTIVATION_CLAMP, GRAFT_ROUNDING_NONE, -__builtin_inf(), __builtin_inf()};

  for (ptrdiff_t image = 0; image < p->image_count; image++) {
    const NAME(unaligned) *input =
        (const NAME(unaligned) *)p->input + image * p->input_image_stride;
    const NAME(unaligned) *output_gradient =
        (const NAME(unaligned) *)p->output_gradient + image * p->output_gradient_image_stride;
    for (ptrdiff_t first = 0; first < positions; first += block) {
      const ptrdiff_t count = positions - first < block ? positions - first : block;
      for (ptrdiff_t panel = 0; panel < panel_count; panel++) {
        const ptrdiff_t start = graft_panel_start(p->rows, panel_count, panel);
        const ptrdiff_t height = graft_panel_start(p->rows, panel_count, panel + 1) - start;
        TILES.transpose(
            output_gradient + start * positions + first, positions, height, count,
            rows + start * count, height);
      }
      for (ptrdiff_t offset = 0; offset < column_count; offset += 2 * LANES) {
        const ptrdiff_t left = column_count - offset;
        const ptrdiff_t width = left < 2 * LANES ? left : 2 * LANES;
        NAME(unroll)(p->axes, input, first_column + offset, width, first, count, padded, unrolled);
        TILES.transpose(
            unrolled, padded, width, count, columns, width <= LANES ? LANES : 2 * LANES);
        for (ptrdiff_t panel = 0; panel < panel_count; panel++) {
          const ptrdiff_t start = graft_panel_start(p->rows, panel_count, panel);
          const ptrdiff_t height = graft_panel_start(p->rows, panel_count, panel + 1) - start;
          const graft_tile tile = {
              .depth = count,
              .a = rows + start * count,
              .b = columns,
              .c = (ELEMENT *)p->gradient + start * depth + first_column + offset,
              .c_row_stride = depth,
              .beta = 1,
              .activation = &identity,
              .is_first = image == 0 && first == 0,
              .is_last = 0,
          };
          TILES.run(&tile, height, width);
        }
      }
    }
  }
}
