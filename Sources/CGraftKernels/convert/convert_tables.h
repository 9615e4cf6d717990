// The tables of conversions, each defined in the file of its instruction set.

#include "graft_convert.h"

extern const struct graft_convert_table graft_convert_scalar;
#if defined(__x86_64__)
extern const struct graft_convert_table graft_convert_avx2;
extern const struct graft_convert_table graft_convert_avx512;
#endif
