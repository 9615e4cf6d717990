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
#define HAS_FMA 1
#define HAS_F16C 1
#define HAS_AVX512 0
#include "kernels_template.h"

#pragma clang attribute pop
#endif
