#include "graft_reduce.h"

#include "graft_cpu.h"

// Eight lanes each, at any alignment of their elements.
typedef float float8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t int8 __attribute__((vector_size(32), aligned(4)));
typedef double double8 __attribute__((vector_size(64), aligned(8)));
typedef double double4 __attribute__((vector_size(32), aligned(8)));
typedef int64_t long8 __attribute__((vector_size(64), aligned(8)));

// From element n on: eight lanes, the last n of them set.
static const int32_t last_lanes[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};

// Functions that take vectors are inlined: there is no call whose convention could change.
#pragma clang diagnostic ignored "-Wpsabi"

#define TARGET
#define NAME(function) function##_scalar
#include "reduce_rows.h"

#if defined(__x86_64__)

#define TARGET __attribute__((target("avx2,fma")))
#define NAME(function) function##_avx2
#include "reduce_rows.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define NAME(function) function##_avx512
#include "reduce_rows.h"

const graft_reduce_table *graft_reduce_kernels(int32_t isa) {
  if (isa >= GRAFT_ISA_AVX512) return &table_avx512;
  return isa >= GRAFT_ISA_AVX2 ? &table_avx2 : &table_scalar;
}

#else

const graft_reduce_table *graft_reduce_kernels(int32_t isa) {
  (void)isa;
  return &table_scalar;
}

#endif
