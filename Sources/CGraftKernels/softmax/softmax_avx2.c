#if defined(__x86_64__)

#include "../vector/avx2.h"

#define GRAFT_SOFTMAX_TABLE graft_softmax_avx2
#include "softmax_template.h"

#endif
