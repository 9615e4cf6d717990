// Convolutions and the gradients of their weights: see graft_conv.h.

enum { GRAFT_CONV_MAXIMUM_POSITIONS = 256 };

/// A mask of the lanes below `count` of a vector of 16.
#define GRAFT_CONV_LANES_BELOW(count) \
  ((1u << ((count) < 0 ? 0 : ((count) > 16 ? 16 : (count)))) - 1)

#define ELEMENT float
#define LANES (VECTOR_BYTES / 4)
#define HAS_MASKS HAS_AVX512
#define NAME(base) base##_f32
#define TILES tile_table_f32
#include "conv_element_template.h"
#undef ELEMENT
#undef LANES
#undef HAS_MASKS
#undef NAME
#undef TILES

#define ELEMENT double
#define LANES (VECTOR_BYTES / 8)
#define HAS_MASKS 0
#define NAME(base) base##_f64
#define TILES tile_table_f64
#include "conv_element_template.h"
#undef ELEMENT
#undef LANES
#undef HAS_MASKS
#undef NAME
#undef TILES

static const graft_conv_table *const conv_tables[2] = {&conv_table_f32, &conv_table_f64};
