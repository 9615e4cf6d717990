// Makes the convolution kernels of one instruction set. The file that includes this defines
//   TARGET, VECTOR_BYTES, MAXIMUM_ROWS   as gemm_instances.h has them
//   HAS_FLOAT_MASKS                      whether vectors of float can be loaded under a mask
//   TABLE(base)                          the name of a table

#include <string.h>

#include "../gemm/gemm_tables.h"
#include "conv_tables.h"

enum { GRAFT_CONV_MAXIMUM_POSITIONS = 256 };

/// A mask of the lanes below `count` of a vector of 16.
#define GRAFT_CONV_LANES_BELOW(count) \
  ((1u << ((count) < 0 ? 0 : ((count) > 16 ? 16 : (count)))) - 1)

#define ELEMENT float
#define LANES (VECTOR_BYTES / 4)
#define HAS_MASKS HAS_FLOAT_MASKS
#define NAME(base) base##_f32
#define TILES (*TABLE(graft_tile)[GRAFT_ELEMENT_F32])
#include "conv_template.h"
#undef ELEMENT
#undef LANES
#undef HAS_MASKS
#undef NAME
#undef TILES

#define ELEMENT double
#define LANES (VECTOR_BYTES / 8)
#define HAS_MASKS 0
#define NAME(base) base##_f64
#define TILES (*TABLE(graft_tile)[GRAFT_ELEMENT_F64])
#include "conv_template.h"
#undef ELEMENT
#undef LANES
#undef HAS_MASKS
#undef NAME
#undef TILES

const graft_conv_table *const TABLE(graft_conv)[2] = {&conv_table_f32, &conv_table_f64};
