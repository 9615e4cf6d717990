#include "targets.h"

#include "graft_cpu.h"

const graft_kernels *graft_kernels_for(int32_t instruction_set) {
  // Best first in each family; every processor supports the scalar ones.
  static const graft_kernels *const all[] = {
#if defined(__x86_64__)
      &graft_kernels_avx512,
      &graft_kernels_avx2,
#endif
      &graft_kernels_scalar,
  };
  const graft_kernels *const *kernels = all;
  while (!graft_cpu_includes(instruction_set, (*kernels)->instruction_set)) kernels++;
  return *kernels;
}

const graft_integer_product *graft_integer_product_for(int32_t instruction_set, int32_t vnni) {
#if defined(__x86_64__)
  if (graft_cpu_includes(instruction_set, GRAFT_ISA_AVX512) && (vnni & GRAFT_VNNI_AVX512))
    return &graft_integer_product_avx512_vnni;
  if (graft_cpu_includes(instruction_set, GRAFT_ISA_AVX2) && (vnni & GRAFT_VNNI_AVX))
    return &graft_integer_product_avx_vnni;
#endif
  if (vnni & GRAFT_VNNI_PORTABLE) return &graft_integer_product_portable;
  return graft_kernels_for(instruction_set)->quantized->product;
}

const graft_blocked_product *graft_blocked_bf16_product(
    int32_t instruction_set, int32_t bf16_instructions) {
#if defined(__x86_64__)
  if (graft_cpu_includes(instruction_set, GRAFT_ISA_AVX512) &&
      bf16_instructions >= GRAFT_BF16_AVX512)
    return &graft_blocked_avx512_bf16;
#endif
  (void)instruction_set, (void)bf16_instructions;
  return NULL;
}
