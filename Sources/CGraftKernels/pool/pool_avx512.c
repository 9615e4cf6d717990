#if defined(__x86_64__)

#include "../vector/avx512.h"

#define GRAFT_POOL_TABLE graft_pool_avx512
#include "pool_template.h"

#endif
