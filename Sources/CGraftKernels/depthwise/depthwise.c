#include "depthwise_tables.h"

#include "graft_cpu.h"

const graft_depthwise_table *graft_depthwise_kernels(int32_t instruction_set, int32_t element) {
#if defined(__x86_64__)
  if (instruction_set >= GRAFT_ISA_AVX512) return graft_depthwise_avx512[element];
  if (instruction_set >= GRAFT_ISA_AVX2) return graft_depthwise_avx2[element];
#endif
  (void)instruction_set;
  return graft_depthwise_scalar[element];
}
