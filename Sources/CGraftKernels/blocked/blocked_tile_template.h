// The register tile of the blocked layout. The file that includes this defines
//   TARGET          the target attribute
//   MAXIMUM_ROWS    rows of a full tile
//   PANEL_BLOCKS    blocks of 16 columns of a panel

typedef float block __attribute__((ext_vector_type(16)));
typedef float unaligned_block __attribute__((ext_vector_type(16), aligned(4)));

#define BLOCKED_INLINE static inline __attribute__((always_inline)) TARGET

BLOCKED_INLINE block load_block(const float *p) { return *(const unaligned_block *)p; }
BLOCKED_INLINE void store_block(float *p, block x) { *(unaligned_block *)p = x; }

/// The larger of each pair of lanes; NaN if one of them is.
BLOCKED_INLINE block larger_block(block x, block y) { return y != y || y > x ? y : x; }

/// NaN stays NaN.
BLOCKED_INLINE block clamp_block(block x, block lowest, block highest) {
  x = x < lowest ? lowest : x;
  return x > highest ? highest : x;
}

/// Multiplies a fixed number of rows and blocks of columns: the sums stay in registers.
BLOCKED_INLINE void multiply_rows(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks) {
  block sums[MAXIMUM_ROWS][PANEL_BLOCKS];
  const ptrdiff_t stride = tile->a_row_stride;
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] = 0;

  const float *panel = tile->panel;
  for (ptrdiff_t s = 0; s < tile->step_count; s++) {
    const float *a = tile->a + (tile->steps ? tile->steps[s] : s * tile->a_step);
#pragma clang loop unroll_count(4)
    for (ptrdiff_t k = 0; k < tile->step_depth; k++) {
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

  const block lowest = (float)tile->activation->alpha, highest = (float)tile->activation->beta;
  const int clamps = tile->finishes && tile->activation->kind == GRAFT_ACTIVATION_CLAMP;
#pragma clang loop unroll(full)
  for (ptrdiff_t j = 0; j < blocks; j++) {
    float *c = tile->c + j * tile->c_block_stride;
    const float *residual = tile->residual ? tile->residual + j * tile->c_block_stride : 0;
    const block bias = tile->bias ? load_block(tile->bias + j * GRAFT_BLOCK) : 0;
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < rows; r++) {
      block sum = sums[r][j];
      if (tile->accumulates) {
        sum += load_block(c);
      } else {
        sum += bias;
        if (residual) sum += load_block(residual + r * tile->c_row_stride);
      }
      if (clamps) {
        sum = sum < lowest ? lowest : sum;
        sum = sum > highest ? highest : sum;
      }
      store_block(c, sum);
      c += tile->c_row_stride;
    }
  }
}
