// Steps of optimizers: see graft_optimizer.h.

#define ELEMENT float
#define NAME(base) base##_f32
#include "optimizer_element_template.h"
#undef ELEMENT
#undef NAME

// Doubles are rounded after each operation, as the rules are written; FMA makes no difference.
#pragma STDC FP_CONTRACT OFF
#define ELEMENT double
#define NAME(base) base##_f64
#include "optimizer_element_template.h"
#undef ELEMENT
#undef NAME
#pragma STDC FP_CONTRACT DEFAULT

static const graft_optimizer_table *const optimizer_tables[2] = {
    &optimizer_table_f32,
    &optimizer_table_f64,
};
