#ifndef GRAFT_KERNELS_H
#define GRAFT_KERNELS_H

// One header per kernel family. Each family has a table of functions per instruction set.
#include "graft_binary.h"
#include "graft_blocked.h"
#include "graft_chain.h"
#include "graft_conv.h"
#include "graft_convert.h"
#include "graft_cpu.h"
#include "graft_depthwise.h"
#include "graft_gemm.h"
#include "graft_movement.h"
#include "graft_normalization.h"
#include "graft_optimizer.h"
#include "graft_pool.h"
#include "graft_reduce.h"
#include "graft_resampling.h"
#include "graft_softmax.h"
#include "graft_unary.h"

#endif
