#ifndef GRAFT_CONV_TABLES_H
#define GRAFT_CONV_TABLES_H

#include "graft_conv.h"

// The kernels of each instruction set, by element type.

extern const graft_conv_table *const graft_conv_scalar[2];
#if defined(__x86_64__)
extern const graft_conv_table *const graft_conv_avx2[2];
extern const graft_conv_table *const graft_conv_avx512[2];
#endif

#endif
