// The common part of the register tiles of the blocked layout, and the functions of single blocks.

typedef float block __attribute__((ext_vector_type(16)));
typedef float unaligned_block __attribute__((ext_vector_type(16), aligned(4)));

GRAFT_INLINE block load_block(const float *p) { return *(const unaligned_block *)p; }
GRAFT_INLINE void store_block(float *p, block x) { *(unaligned_block *)p = x; }

/// The larger of each pair of lanes; NaN if one of them is.
GRAFT_INLINE block larger_block(block x, block y) { return y != y || y > x ? y : x; }

/// NaN stays NaN.
GRAFT_INLINE block clamp_block(block x, block lowest, block highest) {
  x = x < lowest ? lowest : x;
  return x > highest ? highest : x;
}

static int has_nan(const float *blocks, ptrdiff_t count) {
  // A sum is NaN if one of its terms is.
  block sums = 0;
  for (ptrdiff_t i = 0; i < count; i++) sums += load_block(blocks + i * GRAFT_BLOCK);
  return __builtin_reduce_or(sums != sums);
}

/// Finishes and stores the sums of a fixed number of rows and blocks of columns.
GRAFT_INLINE void store_sums(
    const graft_blocked_tile *tile, block sums[BLOCKED_ROWS][PANEL_BLOCKS], const ptrdiff_t rows,
    const ptrdiff_t blocks) {
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

/// Applies the parts of the activation that do not fit into registers to results just stored.
static void finish_rows(
    const graft_activation *activation, float *c, ptrdiff_t row_stride, ptrdiff_t rows) {
  if (row_stride == GRAFT_BLOCK) {
    finish_f32(activation, c, rows * GRAFT_BLOCK);
    return;
  }
  for (ptrdiff_t r = 0; r < rows; r++) finish_f32(activation, c + r * row_stride, GRAFT_BLOCK);
}
