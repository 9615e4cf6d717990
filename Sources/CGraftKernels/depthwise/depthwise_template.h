// Depthwise convolutions: see graft_depthwise.h.

#define ELEMENT float
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_f32
#include "depthwise_element_template.h"
#undef ELEMENT
#undef LANES
#undef NAME

#define ELEMENT double
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_f64
#include "depthwise_element_template.h"
#undef ELEMENT
#undef LANES
#undef NAME

static const graft_depthwise_table *const depthwise_tables[2] = {
    &depthwise_table_f32,
    &depthwise_table_f64,
};
