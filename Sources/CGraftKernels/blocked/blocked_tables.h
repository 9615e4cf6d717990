#ifndef GRAFT_BLOCKED_TABLES_H
#define GRAFT_BLOCKED_TABLES_H

#include "graft_blocked.h"

extern const graft_blocked_table graft_blocked_scalar;
#if defined(__x86_64__)
extern const graft_blocked_table graft_blocked_avx2;
extern const graft_blocked_table graft_blocked_avx512;
extern const graft_blocked_product graft_blocked_avx512_bf16;
#endif

#endif
