#include "../vector/scalar.h"

#define GRAFT_SOFTMAX_TABLE graft_softmax_scalar
#include "softmax_template.h"
