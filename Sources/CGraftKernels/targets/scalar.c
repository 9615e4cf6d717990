// The kernels for any processor: the compiler maps short vectors to baseline instructions.
#include "targets.h"

#include "../vector/scalar.h"

#define INSTRUCTION_SET GRAFT_ISA_SCALAR
#define KERNELS graft_kernels_scalar
#define VECTOR_BYTES 16
#define GEMM_ROWS 4
#define BLOCKED_ROWS 3
#define PANEL_BLOCKS 1
#define UNROLLS_BLOCKS 0
#define HAS_FMA 0
#define HAS_F16C 0
#define HAS_AVX512 0
#include "kernels_template.h"
