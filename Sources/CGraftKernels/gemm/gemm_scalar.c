// For every machine: the compiler maps short vectors to what its baseline has.

#define TARGET
#define VECTOR_BYTES 16
#define MAXIMUM_ROWS 4
#define TABLE(base) base##_scalar
#include "gemm_instances.h"
