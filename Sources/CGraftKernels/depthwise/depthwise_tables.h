#ifndef GRAFT_DEPTHWISE_TABLES_H
#define GRAFT_DEPTHWISE_TABLES_H

#include "graft_depthwise.h"

// The kernels of each instruction set, by element type.

extern const graft_depthwise_table *const graft_depthwise_scalar[2];
#if defined(__x86_64__)
extern const graft_depthwise_table *const graft_depthwise_avx2[2];
extern const graft_depthwise_table *const graft_depthwise_avx512[2];
#endif

#endif
