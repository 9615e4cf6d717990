// For any processor: the compiler maps the vectors to what the architecture always has.
#define GRAFT_LANES 4
#define GRAFT_TABLE graft_unary_scalar
#include "unary_tables.h"
#include "unary_template.h"
