#if defined(__x86_64__)

#include "../vector/avx2.h"

#define GRAFT_RESAMPLING_TABLE graft_resampling_avx2
#include "resampling_template.h"

#endif
