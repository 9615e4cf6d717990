#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define VECTOR_BYTES 64
#define TABLE graft_movement_avx512
#include "transpose_template.h"
#endif
