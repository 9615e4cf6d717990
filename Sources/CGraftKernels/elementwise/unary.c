#include "graft_cpu.h"
#include "unary_tables.h"

const struct graft_unary_table *graft_unary_kernels(int32_t instruction_set) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return &graft_unary_avx512;
  if (instruction_set >= GRAFT_ISA_AVX2) return &graft_unary_avx2;
#endif
  (void)instruction_set;
  return &graft_unary_scalar;
}
