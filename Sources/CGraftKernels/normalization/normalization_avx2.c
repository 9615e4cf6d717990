#if defined(__x86_64__)

#include "../vector/avx2.h"

#define GRAFT_NORMALIZATION_TABLE graft_normalization_avx2
#include "normalization_template.h"

#endif
