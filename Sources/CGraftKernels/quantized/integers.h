#ifndef GRAFT_QUANTIZED_INTEGERS_H
#define GRAFT_QUANTIZED_INTEGERS_H

// What the kernels for integers have in common.

#include "../gemm/gemm_tile.h"
#include "graft_quantized.h"

/// The most rows of a tile of any product.
enum { TALLEST_TILE = 14 };

#endif
