// Steps of recurrent networks: see graft_recurrent.h.

#include "recurrent_functions.h"

#define ELEMENT float
#define IS_SINGLE 1
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_f32
#include "functions_template.h"
#include "step_template.h"
#include "gradient_template.h"
#undef ELEMENT
#undef IS_SINGLE
#undef LANES
#undef NAME

#define ELEMENT double
#define IS_SINGLE 0
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_f64
#include "functions_template.h"
#include "step_template.h"
#include "gradient_template.h"
#undef ELEMENT
#undef IS_SINGLE
#undef LANES
#undef NAME

static const graft_recurrent_table *const recurrent_tables[2] = {
    &recurrent_table_f32,
    &recurrent_table_f64,
};
