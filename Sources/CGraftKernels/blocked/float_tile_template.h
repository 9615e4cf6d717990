// The register tile with weights of float: see blocked_tile_template.h.

/// Multiplies a fixed number of rows and blocks of columns: the sums stay in registers. `stride` and `step_depth` are
/// those of `tile`.
BLOCKED_INLINE void PRODUCT(multiply_steps)(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks,
    const ptrdiff_t stride, const ptrdiff_t step_depth) {
  block sums[MAXIMUM_ROWS][PANEL_BLOCKS];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] = 0;

  const float *panel = tile->panel;
  for (ptrdiff_t s = 0; s < tile->step_count; s++) {
    const float *a = tile->a + (tile->steps ? tile->steps[s] : s * tile->a_step);
#pragma clang loop unroll_count(DEPTHS_TOGETHER)
    for (ptrdiff_t k = 0; k < step_depth; k++) {
      block weights[PANEL_BLOCKS];
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < blocks; j++)
        weights[j] = *(const block *)(panel + j * GRAFT_BLOCK);
#pragma clang loop unroll(full)
      for (ptrdiff_t r = 0; r < rows; r++) {
        const block x = a[r * stride + k];
#pragma clang loop unroll(full)
        for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] += x * weights[j];
      }
      panel += blocks * GRAFT_BLOCK;
      // Loads of the next step are not moved up here: there are no registers left to hold them.
      __asm__ volatile("" ::: "memory");
    }
  }
  store_sums(tile, sums, rows, blocks);
}

BLOCKED_INLINE void PRODUCT(multiply_rows)(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks) {
#if DEPTHS_TOGETHER == 16
  // Where the compiler knows these, it needs no instructions to address rows.
  if (tile->a_row_stride == GRAFT_BLOCK && tile->step_depth == GRAFT_BLOCK) {
    PRODUCT(multiply_steps)(tile, rows, blocks, GRAFT_BLOCK, GRAFT_BLOCK);
    return;
  }
#endif
  PRODUCT(multiply_steps)(tile, rows, blocks, tile->a_row_stride, tile->step_depth);
}
