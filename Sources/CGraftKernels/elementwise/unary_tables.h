// The tables of unary functions, each defined in the file of its instruction set.

#include "graft_unary.h"

extern const struct graft_unary_table graft_unary_scalar;
#if defined(__x86_64__)
extern const struct graft_unary_table graft_unary_avx2;
extern const struct graft_unary_table graft_unary_avx512;
#endif
