// The kernels of the blocked layout: see graft_blocked.h.

#include "blocked_tile_template.h"

#define PRODUCT(base) base##_f32
#include "float_tile_template.h"
#include "tile_dispatch_template.h"
#undef PRODUCT

#include "outer_product_template.h"
#include "winograd_template.h"

static void pool_squares(const float *image, ptrdiff_t height, ptrdiff_t width, float *pooled) {
  for (ptrdiff_t y = 0; y + 1 < height; y += 2)
    for (ptrdiff_t x = 0; x + 1 < width; x += 2) {
      const float *square = image + (y * width + x) * GRAFT_BLOCK;
      const float *below = square + width * GRAFT_BLOCK;
      const block upper = larger_block(load_block(square), load_block(square + GRAFT_BLOCK));
      const block lower = larger_block(load_block(below), load_block(below + GRAFT_BLOCK));
      store_block(pooled, larger_block(upper, lower));
      pooled += GRAFT_BLOCK;
    }
}

#include "affine_template.h"
#include "depthwise_template.h"
#include "depthwise_gradient_template.h"
#include "normalization_template.h"
#include "pool_template.h"
#include "pool_gradient_template.h"
#include "response_template.h"
#include "shuffle_template.h"
#include "transpose_template.h"

static const graft_winograd winograd_forms[] = {
    {2, 4, 16, transform_input_2, transform_output_2, convolve_tile_2, transform_weights_2,
     transform_output_gradient_2, transform_weight_gradient_2},
    {4, 6, 16, transform_input_4, transform_output_4, convolve_tile_4, transform_weights_4,
     transform_output_gradient_4, transform_weight_gradient_4},
    {6, 8, 4, transform_input_6, transform_output_6, convolve_tile_6, transform_weights_6,
     transform_output_gradient_6, transform_weight_gradient_6},
};

static const graft_blocked_table blocked_table = {
    .product =
        {
            .maximum_rows = BLOCKED_ROWS,
            .panel_columns = PANEL_BLOCKS * GRAFT_BLOCK,
            .weight_format = GRAFT_WEIGHTS_F32,
            .multiply = multiply_f32,
            .has_nan = has_nan,
        },
    .winograd = winograd_forms,
    .outer_product = {PANEL_BLOCKS, add_outer_products},
    .pool_squares = pool_squares,
    .layers =
        {
            .to_blocks = to_blocks,
            .from_blocks = from_blocks,
            .max_pool = max_pool_blocks,
            .max_pool_gradient = max_pool_gradient,
            .average_pool = average_pool_blocks,
            .global_average_pool = global_average_pool_blocks,
            .convolve_depthwise = convolve_depthwise,
            .add_depthwise_weight_gradient = add_depthwise_weight_gradient,
            .depthwise_input_gradient = depthwise_input_gradient,
            .scale_positions = scale_positions,
            .divide_responses = divide_responses,
            .gather_channels = gather_channels,
            .add_deviations = add_deviations,
            .add_gradient_deviations = add_gradient_deviations,
            .combine_deviations = combine_deviations,
        },
};
