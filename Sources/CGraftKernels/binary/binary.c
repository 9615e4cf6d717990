#include "graft_binary.h"

#include "graft_cpu.h"

#define TARGET
#define NAME(function) function##_scalar
#include "binary_rows.h"

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma")))
#define NAME(function) function##_avx2
#include "binary_rows.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define NAME(function) function##_avx512
#include "binary_rows.h"

const graft_binary_table *graft_binary_kernels(int32_t isa) {
  if (isa >= GRAFT_ISA_AVX512) return &table_avx512;
  return isa >= GRAFT_ISA_AVX2 ? &table_avx2 : &table_scalar;
}

#else

const graft_binary_table *graft_binary_kernels(int32_t isa) {
  (void)isa;
  return &table_scalar;
}

#endif
