#if defined(__x86_64__)
#define GRAFT_HAS_F16C
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define MAXIMUM_ROWS 6
#define PANEL_BLOCKS 1
#define UNROLLS_BLOCKS 1
#define PERMUTES_BLOCKS 0
#define TABLE(base) base##_avx2
#include "blocked_instances.h"
#endif
