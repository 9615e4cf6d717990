#include "../vector/scalar.h"

#define GRAFT_NORMALIZATION_TABLE graft_normalization_scalar
#include "normalization_template.h"
