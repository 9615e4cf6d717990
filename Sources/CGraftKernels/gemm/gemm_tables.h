#ifndef GRAFT_GEMM_TABLES_H
#define GRAFT_GEMM_TABLES_H

#include "gemm_tile.h"

// The kernels of each instruction set, by element type.

extern const graft_tile_table *const graft_tile_scalar[4];
extern const graft_gemm_table *const graft_gemm_scalar[4];
extern const graft_gemv_table graft_gemv_bf16_scalar;
#if defined(__x86_64__)
extern const graft_tile_table *const graft_tile_avx2[4];
extern const graft_gemm_table *const graft_gemm_avx2[4];
extern const graft_gemv_table graft_gemv_bf16_avx2;
extern const graft_tile_table *const graft_tile_avx512[4];
extern const graft_gemm_table *const graft_gemm_avx512[4];
extern const graft_gemv_table graft_gemv_bf16_avx512;
#endif

#endif
