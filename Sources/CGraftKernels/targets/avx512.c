// The kernels for processors with AVX-512 F, BW, DQ and VL.
#if defined(__x86_64__)
#include <immintrin.h>

#include "targets.h"

#pragma clang attribute push(__attribute__((target(GRAFT_TARGET_AVX512))), apply_to = function)
#include "../vector/avx512.h"

#define INSTRUCTION_SET GRAFT_ISA_AVX512
#define KERNELS graft_kernels_avx512
#define VECTOR_BYTES 64
#define GEMM_ROWS 14
#define BLOCKED_ROWS 14
#define PANEL_BLOCKS 2
#define UNROLLS_BLOCKS 0
#define INTEGER_ROWS 12
#define HAS_FMA 1
#define HAS_F16C 1
#define HAS_AVX512 1
#include "kernels_template.h"

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target(GRAFT_TARGET_AVX512_BF16))), apply_to = function)
#include "../blocked/bf16_tile_template.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target(GRAFT_TARGET_AVX512_VNNI))), apply_to = function)
#define INTEGER(base) base##_quads
#define TILE_ROWS 14
#define ADD_FOURS(sum, x, weights) \
  (integer_vector) _mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(x), (__m512i)(weights))
#define VNNI_PRODUCT graft_integer_product_avx512_vnni
#include "../quantized/vnni_template.h"
#pragma clang attribute pop
#endif
