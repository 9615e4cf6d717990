// The gradient of max_pool in the blocked layout (pool_template.h).

typedef int32_t block_mask __attribute__((ext_vector_type(16)));

static void max_pool_gradient(
    const graft_pool *pool, const float *x, const float *output_gradient, int follows_relu,
    float *gradient) {
  const ptrdiff_t row_size = pool->input_width * GRAFT_BLOCK;
  memset(gradient, 0, (size_t)(pool->input_height * row_size) * sizeof(float));
  for (ptrdiff_t row = 0; row < pool->output_height; row++) {
    const ptrdiff_t top = row * pool->stride_height - pool->pad_top;
    const index_range rows =
        taps_inside(top, pool->kernel_height, pool->dilation_height, pool->input_height);
    for (ptrdiff_t column = 0; column < pool->output_width; column++) {
      const ptrdiff_t left = column * pool->stride_width - pool->pad_left;
      const index_range columns =
          taps_inside(left, pool->kernel_width, pool->dilation_width, pool->input_width);
      block largest = 0;
      block_mask best = -1;
      for (ptrdiff_t i = rows.first; i < rows.past; i++)
        for (ptrdiff_t j = columns.first; j < columns.past; j++) {
          const ptrdiff_t place = (top + i * pool->dilation_height) * row_size +
                                  (left + j * pool->dilation_width) * GRAFT_BLOCK;
          const block element = load_block(x + place);
          // The first of equals, or the first NaN.
          const block_mask wins =
              (best < 0) | (element > largest) | ((element != element) & (largest == largest));
          largest = wins ? element : largest;
          best = wins ? (block_mask)(int32_t)(i * pool->kernel_width + j) : best;
        }
      block arriving =
          load_block(output_gradient + (row * pool->output_width + column) * GRAFT_BLOCK);
      if (follows_relu) arriving = largest > 0 ? arriving : (block)0;
      for (ptrdiff_t i = rows.first; i < rows.past; i++)
        for (ptrdiff_t j = columns.first; j < columns.past; j++) {
          float *place = gradient + (top + i * pool->dilation_height) * row_size +
                         (left + j * pool->dilation_width) * GRAFT_BLOCK;
          const block_mask is_best = best == (block_mask)(int32_t)(i * pool->kernel_width + j);
          store_block(place, load_block(place) + (is_best ? arriving : (block)0));
        }
    }
  }
}
