#include "blocked_tables.h"

#include "graft_cpu.h"

const graft_blocked_table *graft_blocked_kernels(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_blocked_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_blocked_avx2;
#endif
  (void)instruction_set;
  return &graft_blocked_scalar;
}

const graft_blocked_product *graft_blocked_f32_product(int32_t instruction_set) {
  return &graft_blocked_kernels(instruction_set)->product;
}

const graft_blocked_product *graft_blocked_bf16_product(
    int32_t instruction_set, int32_t bf16_instructions) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512 && bf16_instructions >= GRAFT_BF16_AVX512)
    return &graft_blocked_avx512_bf16;
#endif
  (void)instruction_set, (void)bf16_instructions;
  return NULL;
}
