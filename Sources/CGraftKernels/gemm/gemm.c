#include "gemm_tables.h"

#include "graft_cpu.h"

const graft_tile_table *graft_tile_kernels(int32_t instruction_set, int32_t element) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return graft_tile_avx512[element];
  if (instruction_set >= GRAFT_ISA_AVX2) return graft_tile_avx2[element];
#endif
  (void)instruction_set;
  return graft_tile_scalar[element];
}

const graft_gemm_table *graft_gemm_kernels(int32_t instruction_set, int32_t element) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return graft_gemm_avx512[element];
  if (instruction_set >= GRAFT_ISA_AVX2) return graft_gemm_avx2[element];
#endif
  (void)instruction_set;
  return graft_gemm_scalar[element];
}

const graft_gemv_table *graft_gemv_bf16_kernels(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_gemv_bf16_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_gemv_bf16_avx2;
#endif
  (void)instruction_set;
  return &graft_gemv_bf16_scalar;
}
