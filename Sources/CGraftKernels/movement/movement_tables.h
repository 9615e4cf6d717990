#ifndef GRAFT_MOVEMENT_TABLES_H
#define GRAFT_MOVEMENT_TABLES_H

#include "graft_movement.h"

extern const graft_movement_table graft_movement_scalar;
#if defined(__x86_64__)
extern const graft_movement_table graft_movement_avx2;
extern const graft_movement_table graft_movement_avx512;
#endif

#endif
