// Sums of outer products of pixels of one block with those of others (see graft_outer_product).

// The channels of the block that are summed at once: with PANEL_BLOCKS blocks of columns they fill
// the registers.
#define OUTER_ROWS (BLOCKED_ROWS > 6 ? 8 : 4)
// The outer products per partial sum: sums over the pixels of a batch are long, and sums of shorter
// ones have smaller rounding errors.
#define OUTER_DEPTH 128

GRAFT_INLINE void add_outer_rows(
    const float *a, ptrdiff_t a_step, const float *b, ptrdiff_t b_block_stride, ptrdiff_t depth,
    float *c, ptrdiff_t c_block_stride, const ptrdiff_t blocks, int accumulates) {
  do {
    const ptrdiff_t count = depth < OUTER_DEPTH ? depth : OUTER_DEPTH;
    block sums[OUTER_ROWS][PANEL_BLOCKS];
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < OUTER_ROWS; r++)
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] = 0;
#pragma clang loop unroll_count(2)
    for (ptrdiff_t k = 0; k < count; k++) {
      block columns[PANEL_BLOCKS];
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < blocks; j++) columns[j] = load_block(b + j * b_block_stride);
#pragma clang loop unroll(full)
      for (ptrdiff_t r = 0; r < OUTER_ROWS; r++) {
        const block x = a[r];
#pragma clang loop unroll(full)
        for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] += x * columns[j];
      }
      a += a_step;
      b += GRAFT_BLOCK;
      __asm__ volatile("" ::: "memory");
    }
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < OUTER_ROWS; r++)
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < blocks; j++) {
        float *place = c + j * c_block_stride + r * GRAFT_BLOCK;
        store_block(place, accumulates ? load_block(place) + sums[r][j] : sums[r][j]);
      }
    accumulates = 1;
    depth -= count;
  } while (depth > 0);
}

static void add_outer_products(
    const float *a, ptrdiff_t a_step, const float *b, ptrdiff_t b_block_stride, ptrdiff_t depth,
    float *c, ptrdiff_t c_block_stride, ptrdiff_t column_blocks, int accumulates) {
  for (ptrdiff_t row = 0; row < GRAFT_BLOCK; row += OUTER_ROWS) {
    float *sums = c + row * GRAFT_BLOCK;
    if (column_blocks == PANEL_BLOCKS)
      add_outer_rows(
          a + row, a_step, b, b_block_stride, depth, sums, c_block_stride, PANEL_BLOCKS,
          accumulates);
    else
      add_outer_rows(
          a + row, a_step, b, b_block_stride, depth, sums, c_block_stride, 1, accumulates);
  }
}

#undef OUTER_ROWS
#undef OUTER_DEPTH
