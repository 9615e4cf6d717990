#if defined(__x86_64__)
#include <immintrin.h>

#define GRAFT_HAS_F16C
#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define MAXIMUM_ROWS 14
#define PANEL_BLOCKS 2
#define UNROLLS_BLOCKS 0
#define PERMUTES_BLOCKS 1
#define TABLE(base) base##_avx512
#include "blocked_instances.h"
#endif
