// The kernels for any processor: the compiler maps short vectors to baseline instructions.
#include "targets.h"

#include "../vector/scalar.h"

#define INSTRUCTION_SET GRAFT_ISA_SCALAR
#define KERNELS graft_kernels_scalar
#define VECTOR_BYTES 16
#define GEMM_ROWS 4
#define BLOCKED_ROWS 3
#define PANEL_BLOCKS 1
#define UNROLLS_BLOCKS 0
#define INTEGER_ROWS 4
#define HAS_FMA 0
#define HAS_F16C 0
#define HAS_AVX512 0
#include "kernels_template.h"

// Products of bytes as with VNNI, so that tests need no such processor.

/// The products of one of the four bytes of each lane.
GRAFT_INLINE integer_vector
add_byte(integer_vector sum, integer_vector x, integer_vector weights, const int byte) {
  return sum + ((x >> 8 * byte) & 0xff) * ((weights << (24 - 8 * byte)) >> 24);
}

GRAFT_INLINE integer_vector
add_fours(integer_vector sum, integer_vector x, integer_vector weights) {
  sum = add_byte(add_byte(sum, x, weights, 0), x, weights, 1);
  return add_byte(add_byte(sum, x, weights, 2), x, weights, 3);
}

#define INTEGER(base) base##_quads
#define TILE_ROWS 4
#define ADD_FOURS add_fours
#define VNNI_PRODUCT graft_integer_product_portable
#include "../quantized/vnni_template.h"
