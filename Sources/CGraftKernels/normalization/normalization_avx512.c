#if defined(__x86_64__)

#include "../vector/avx512.h"

#define GRAFT_NORMALIZATION_TABLE graft_normalization_avx512
#include "normalization_template.h"

#endif
