#if defined(__x86_64__)

#include "../vector/avx512.h"

#define GRAFT_RESAMPLING_TABLE graft_resampling_avx512
#include "resampling_template.h"

#endif
