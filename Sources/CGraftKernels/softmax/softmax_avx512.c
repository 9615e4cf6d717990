#if defined(__x86_64__)

#include "../vector/avx512.h"

#define GRAFT_SOFTMAX_TABLE graft_softmax_avx512
#include "softmax_template.h"

#endif
