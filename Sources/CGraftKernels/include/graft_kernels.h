#ifndef GRAFT_KERNELS_H
#define GRAFT_KERNELS_H

// One header per kernel family. Each family has a table of functions per instruction set.
#include "graft_cpu.h"
#include "graft_gemm.h"
#include "graft_conv.h"
#include "graft_depthwise.h"

#endif
