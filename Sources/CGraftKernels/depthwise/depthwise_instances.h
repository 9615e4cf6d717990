// Makes the depthwise kernels of one instruction set. The file that includes this defines TARGET,
// VECTOR_BYTES and TABLE as gemm_instances.h has them.

#include <string.h>

#include "depthwise_tables.h"

#define IS_FLOATING 1

#define ELEMENT float
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_f32
#include "depthwise_template.h"
#undef ELEMENT
#undef LANES
#undef NAME

#define ELEMENT double
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_f64
#include "depthwise_template.h"
#undef ELEMENT
#undef LANES
#undef NAME

const graft_depthwise_table *const TABLE(graft_depthwise)[2] = {
    &depthwise_table_f32, &depthwise_table_f64,
};
