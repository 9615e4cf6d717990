// The kernels for processors with AVX2, FMA and F16C.
#if defined(__x86_64__)
#include <immintrin.h>

#include "targets.h"

#pragma clang attribute push(__attribute__((target(GRAFT_TARGET_AVX2))), apply_to = function)
#include "../vector/avx2.h"

#define INSTRUCTION_SET GRAFT_ISA_AVX2
#define KERNELS graft_kernels_avx2
#define VECTOR_BYTES 32
#define GEMM_ROWS 6
#define BLOCKED_ROWS 6
#define PANEL_BLOCKS 1
#define UNROLLS_BLOCKS 1
#define INTEGER_ROWS 6
#define HAS_FMA 1
#define HAS_F16C 1
#define HAS_AVX512 0
#include "kernels_template.h"

#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target(GRAFT_TARGET_AVX_VNNI))), apply_to = function)
#define INTEGER(base) base##_quads
#define TILE_ROWS 6
#define ADD_FOURS(sum, x, weights) \
  (integer_vector) _mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(x), (__m256i)(weights))
#define VNNI_PRODUCT graft_integer_product_avx_vnni
#include "../quantized/vnni_template.h"
#pragma clang attribute pop
#endif
