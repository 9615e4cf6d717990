#if defined(__x86_64__)

#define GRAFT_LANES 16
#define GRAFT_HAS_FMA
#define GRAFT_HAS_F16C
#define GRAFT_TABLE graft_unary_avx512
#include "unary_tables.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), \
                             apply_to = function)
#include "unary_template.h"
#pragma clang attribute pop

#endif
