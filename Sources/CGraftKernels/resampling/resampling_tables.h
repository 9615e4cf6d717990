#ifndef GRAFT_RESAMPLING_TABLES_H
#define GRAFT_RESAMPLING_TABLES_H

#include "graft_resampling.h"

extern const graft_resampling_table graft_resampling_scalar;
extern const graft_resampling_table graft_resampling_avx2;
extern const graft_resampling_table graft_resampling_avx512;

#endif
