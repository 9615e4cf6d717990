// The register tile with float weights: see blocked_tile_template.h.

/// Adds the products of one channel of the rows, `stride` apart, with its weights.
GRAFT_INLINE void PRODUCT(add_products)(
    block sums[BLOCKED_ROWS][PANEL_BLOCKS], const float *a, const ptrdiff_t stride,
    const float *panel, const ptrdiff_t rows, const ptrdiff_t blocks) {
  block weights[PANEL_BLOCKS];
#pragma clang loop unroll(full)
  for (ptrdiff_t j = 0; j < blocks; j++) weights[j] = *(const block *)(panel + j * GRAFT_BLOCK);
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++) {
    const block x = a[r * stride];
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] += x * weights[j];
  }
  // Loads of the next channel are not moved up here, as no registers are left for them.
  __asm__ volatile("" ::: "memory");
}

/// Multiplies a fixed number of rows and blocks of columns: the sums stay in registers. With
/// `is_dense`, rows and steps are adjacent blocks: the compiler knows the extents and needs no
/// instructions to address rows.
GRAFT_INLINE void PRODUCT(multiply_steps)(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks,
    const int is_dense) {
  block sums[BLOCKED_ROWS][PANEL_BLOCKS];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] = 0;

  const float *panel = tile->panel;
  const ptrdiff_t stride = tile->a_row_stride;
  const ptrdiff_t whole_count = tile->step_count - tile->partial_count;
  for (ptrdiff_t s = 0; s < whole_count; s++) {
    const float *a = tile->a + (tile->steps ? tile->steps[s] : s * tile->a_step);
    if (is_dense) {
#pragma clang loop unroll(full)
      for (ptrdiff_t k = 0; k < GRAFT_BLOCK; k++) {
        PRODUCT(add_products)(sums, a + k, GRAFT_BLOCK, panel, rows, blocks);
        panel += blocks * GRAFT_BLOCK;
      }
    } else {
#pragma clang loop unroll_count(4)
      for (ptrdiff_t k = 0; k < tile->step_depth; k++) {
        PRODUCT(add_products)(sums, a + k, stride, panel, rows, blocks);
        panel += blocks * GRAFT_BLOCK;
      }
    }
  }
  for (ptrdiff_t s = whole_count; s < tile->step_count; s++) {
    const float *a = tile->a + (tile->steps ? tile->steps[s] : s * tile->a_step);
#pragma clang loop unroll(disable)
    for (ptrdiff_t k = tile->first_lane; k < tile->past_lane; k++)
      PRODUCT(add_products)(
          sums, a + k, is_dense ? GRAFT_BLOCK : stride, panel + k * blocks * GRAFT_BLOCK, rows,
          blocks);
    panel += tile->step_depth * blocks * GRAFT_BLOCK;
  }
  store_sums(tile, sums, rows, blocks);
}

GRAFT_INLINE void PRODUCT(multiply_rows)(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks) {
  if (UNROLLS_BLOCKS && tile->a_row_stride == GRAFT_BLOCK && tile->step_depth == GRAFT_BLOCK)
    PRODUCT(multiply_steps)(tile, rows, blocks, 1);
  else
    PRODUCT(multiply_steps)(tile, rows, blocks, 0);
}
