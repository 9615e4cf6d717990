#define TARGET
#define VECTOR_BYTES 16
#define MAXIMUM_ROWS 4
#define HAS_FLOAT_MASKS 0
#define TABLE(base) base##_scalar
#include "conv_instances.h"
