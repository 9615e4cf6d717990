#define TARGET
#define VECTOR_BYTES 16
#define TABLE(base) base##_scalar
#include "depthwise_instances.h"
