#include "graft_optimizer.h"

#include "graft_cpu.h"

#define TARGET
#define NAME(function) function##_scalar
#include "optimizer_steps.h"

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma")))
#define NAME(function) function##_avx2
#include "optimizer_steps.h"

#define TARGET __attribute__((target("avx512f,avx512vl,fma")))
#define NAME(function) function##_avx512
#include "optimizer_steps.h"

const graft_optimizer_table *graft_optimizer_kernels(int32_t isa) {
  if (isa >= GRAFT_ISA_AVX512) return &table_avx512;
  return isa >= GRAFT_ISA_AVX2 ? &table_avx2 : &table_scalar;
}

#else

const graft_optimizer_table *graft_optimizer_kernels(int32_t isa) {
  (void)isa;
  return &table_scalar;
}

#endif
