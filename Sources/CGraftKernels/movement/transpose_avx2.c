#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define VECTOR_BYTES 32
#define TABLE graft_movement_avx2
#include "transpose_template.h"
#endif
