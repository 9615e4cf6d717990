#if defined(__x86_64__)
#define GRAFT_HAS_F16C
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define VECTOR_BYTES 32
#define MAXIMUM_ROWS 6
#define TABLE(base) base##_avx2
#include "gemm_instances.h"
#endif
