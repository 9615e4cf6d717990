#define TARGET
#define MAXIMUM_ROWS 3
#define PANEL_BLOCKS 1
#define UNROLLS_BLOCKS 0
#define PERMUTES_BLOCKS 0
#define TABLE(base) base##_scalar
#include "blocked_instances.h"
