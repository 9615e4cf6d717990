// Integers that stand for real numbers: see graft_quantized.h.

#include "integers.h"

enum { INTEGER_LANES = VECTOR_BYTES / 4 };

typedef int32_t integer_vector __attribute__((ext_vector_type(INTEGER_LANES)));
typedef int16_t short_vector __attribute__((ext_vector_type(VECTOR_BYTES / 2)));
typedef int8_t bytes_of_shorts __attribute__((ext_vector_type(VECTOR_BYTES / 2)));
typedef bytes_of_shorts unaligned_bytes_of_shorts __attribute__((aligned(1)));

#include "finish_template.h"
#include "rows_template.h"
#include "depthwise_template.h"
#include "widened_template.h"

/// Weights of a pair of depths for each lane.
GRAFT_INLINE short_vector widened_pairs(const int8_t *weights) {
  return __builtin_convertvector(*(const unaligned_bytes_of_shorts *)weights, short_vector);
}

/// Adds the two products of each lane. Neither a product nor their sum can overflow.
GRAFT_INLINE integer_vector add_pairs(integer_vector sum, integer_vector x, short_vector weights) {
#if HAS_AVX512
  return sum + (integer_vector)_mm512_madd_epi16((__m512i)x, (__m512i)weights);
#elif VECTOR_BYTES == 32
  return sum + (integer_vector)_mm256_madd_epi16((__m256i)x, (__m256i)weights);
#else
  const integer_vector w = (integer_vector)weights;
  const integer_vector low = ((x << 16) >> 16) * ((w << 16) >> 16);
  return sum + low + (x >> 16) * (w >> 16);
#endif
}

#define INTEGER(base) base##_pairs
#define ACTIVATION_FORM GRAFT_ACTIVATIONS_PAIRS
#define GROUP_DEPTH 2
#define TILE_ROWS INTEGER_ROWS
#define INTEGER_PRODUCT static const graft_integer_product integer_product_pairs
#define ADD_GROUP(sum, x, weights) add_pairs(sum, x, widened_pairs(weights))
#include "integer_product_template.h"
#undef INTEGER
#undef ACTIVATION_FORM
#undef GROUP_DEPTH
#undef TILE_ROWS
#undef INTEGER_PRODUCT
#undef ADD_GROUP

static const graft_quantized_table quantized_table = {
    .quantize = quantize,
    .dequantize = dequantize,
    .range = range_of_floats,
    .prepare_line = prepare_line,
    .look_up = look_up_bytes,
    .maximum = maximum_of_window,
    .average_pool = average_of_window,
    .global_average_pool = average_of_image,
    .requantize = requantize,
    .multiply_widened = multiply_widened,
    .depthwise = &integer_product_depthwise,
    .product = &integer_product_pairs,
};
