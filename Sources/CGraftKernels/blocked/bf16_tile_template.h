// The register tile with bfloat16 weights, for AVX512-BF16; needs blocked_template.h.

/// Pairs of channels of the pixels that a step multiplies.
enum { PAIRS = GRAFT_BLOCK / 2 };

/// Multiplies a fixed number of rows and blocks of columns: the sums stay in registers. The panel
/// has pairs of depths, [depth / 2][column][2]; a step's channels are first rounded to such pairs,
/// nearest, ties to even. Denormals count as zero.
GRAFT_INLINE void multiply_rows_bf16(
    const graft_blocked_tile *tile, const ptrdiff_t rows, const ptrdiff_t blocks) {
  __m512 sums[BLOCKED_ROWS][PANEL_BLOCKS];
  int32_t pairs[BLOCKED_ROWS][PAIRS] __attribute__((aligned(64)));
  const ptrdiff_t stride = tile->a_row_stride;
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) sums[r][j] = _mm512_setzero_ps();

  const ptrdiff_t whole_count = tile->step_count - tile->partial_count;
  const __mmask16 partial_lanes = (__mmask16)((1u << tile->past_lane) - (1u << tile->first_lane));
  const float *panel = tile->panel;
  for (ptrdiff_t s = 0; s < tile->step_count; s++) {
    const float *a = tile->a + (tile->steps ? tile->steps[s] : s * tile->a_step);
    const __mmask16 lanes = s < whole_count ? 0xFFFF : partial_lanes;
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < rows; r++)
      _mm256_store_si256(
          (__m256i *)pairs[r],
          (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, a + r * stride)));
#pragma clang loop unroll_count(4)
    for (ptrdiff_t k = 0; k < PAIRS; k++) {
      __m512bh weights[PANEL_BLOCKS];
#pragma clang loop unroll(full)
      for (ptrdiff_t j = 0; j < blocks; j++)
        weights[j] = (__m512bh)_mm512_load_si512(panel + j * GRAFT_BLOCK);
#pragma clang loop unroll(full)
      for (ptrdiff_t r = 0; r < rows; r++) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32(pairs[r][k]);
#pragma clang loop unroll(full)
        for (ptrdiff_t j = 0; j < blocks; j++)
          sums[r][j] = _mm512_dpbf16_ps(sums[r][j], x, weights[j]);
      }
      panel += blocks * GRAFT_BLOCK;
      // As in the float tile: there are no registers for earlier loads.
      __asm__ volatile("" ::: "memory");
    }
  }
  block results[BLOCKED_ROWS][PANEL_BLOCKS];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < blocks; j++) results[r][j] = (block)sums[r][j];
  store_sums(tile, results, rows, blocks);
}

#define PRODUCT(base) base##_bf16
#include "tile_dispatch_template.h"

const graft_blocked_product graft_blocked_avx512_bf16 = {
    .maximum_rows = BLOCKED_ROWS,
    .panel_columns = PANEL_BLOCKS * GRAFT_BLOCK,
    .weight_format = GRAFT_WEIGHTS_BF16,
    .multiply = multiply_bf16,
    .has_nan = has_nan,
};
