#include "../vector/scalar.h"

#define GRAFT_RESAMPLING_TABLE graft_resampling_scalar
#include "resampling_template.h"
