#if defined(__x86_64__)
#define GRAFT_HAS_F16C
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define VECTOR_BYTES 64
#define MAXIMUM_ROWS 14
#define TABLE(base) base##_avx512
#include "gemm_instances.h"
#endif
