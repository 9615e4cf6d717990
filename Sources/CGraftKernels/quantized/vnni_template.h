// Products of bytes in fours, for VNNI. The file that includes this defines
//   INTEGER(base)               the names of the functions defined here
//   TILE_ROWS                   rows of a full register tile
//   ADD_FOURS(sum, x, weights)  adds to each lane the products of its four bytes
//   VNNI_PRODUCT                the name of the product
// and includes quantized_template.h.

typedef integer_vector INTEGER(unaligned) __attribute__((aligned(1)));

#define ACTIVATION_FORM GRAFT_ACTIVATIONS_BYTES
#define GROUP_DEPTH 4
#define INTEGER_PRODUCT const graft_integer_product VNNI_PRODUCT
#define ADD_GROUP(sum, x, weights) ADD_FOURS(sum, x, *(const INTEGER(unaligned) *)(weights))
#include "integer_product_template.h"
#undef ACTIVATION_FORM
#undef GROUP_DEPTH
#undef INTEGER_PRODUCT
#undef ADD_GROUP
