#include "../vector/scalar.h"

#define GRAFT_POOL_TABLE graft_pool_scalar
#include "pool_template.h"
