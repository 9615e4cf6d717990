// The register tile of the blocked layout. The file that includes this defines
//   TARGET          the target attribute
//   MAXIMUM_ROWS    rows of a full tile
//   PANEL_BLOCKS    blocks of 16 columns of a panel
// and includes the tiles themselves.

#define ELEMENT float
#define IS_FLOATING 1
#define NAME(base) base##_blocked
#include "../gemm/activation_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef NAME

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

/// Finishes and stores the sums of a fixed number of rows and blocks of columns.
BLOCKED_INLINE void store_sums(
    const graft_blocked_tile *tile, block sums[MAXIMUM_ROWS][PANEL_BLOCKS], const ptrdiff_t rows,
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

/// Does to results that were just stored what does not fit into registers.
static TARGET void finish_rows(
    const graft_activation *activation, float *c, ptrdiff_t row_stride, ptrdiff_t rows) {
  if (row_stride == GRAFT_BLOCK) {
    finish_blocked(activation, c, rows * GRAFT_BLOCK);
    return;
  }
  for (ptrdiff_t r = 0; r < rows; r++) finish_blocked(activation, c + r * row_stride, GRAFT_BLOCK);
}
