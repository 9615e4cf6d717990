#if defined(__x86_64__)

#include "../vector/avx2.h"

#define GRAFT_POOL_TABLE graft_pool_avx2
#include "pool_template.h"

#endif
