#ifndef GRAFT_BLOCKED_H
#define GRAFT_BLOCKED_H

#include <stddef.h>
#include <stdint.h>

#include "graft_blocked_layers.h"
#include "graft_gemm.h"

// Kernels for float images with channels in blocks of 16, [C / 16, H, W, 16]: the 16 channels of a
// pixel are one cache line. Lanes that fill up the last block of channels hold anything, also NaN:
// a kernel that sums over channels does not read them. All strides count elements.

enum { GRAFT_BLOCK = 16 };

/// Weights and biases need no alignment.
typedef float graft_unaligned_float __attribute__((aligned(1)));

/// The product of some rows (pixels, or tiles of a Winograd transform) with a panel of packed
/// weights.
///
/// The element of row r at depth (step s, k) is a[r * a_row_stride + offset of s + k], where the
/// offset is steps[s], or s * a_step without such a list. The panel has panel_columns weights for
/// each depth, in the same order (bfloat16 weights are in pairs, see below).
typedef struct {
  const float *a;
  ptrdiff_t a_row_stride;
  const ptrdiff_t *steps;
  ptrdiff_t a_step;
  ptrdiff_t step_count, step_depth;
  /// In the last `partial_count` steps, only the elements k from `first_lane` to before `past_lane`
  /// are multiplied. The panel has weights for all.
  ptrdiff_t partial_count, first_lane, past_lane;
  const float *panel;
  /// The results of row r in block j of the panel are at c[j * c_block_stride + r * c_row_stride].
  float *c;
  ptrdiff_t c_row_stride, c_block_stride;
  /// Whether sums start with the contents of c, instead of `bias` (16 for each block of the panel)
  /// and `residual` (laid out like c), each of which may be NULL.
  int accumulates;
  const float *bias, *residual;
  /// Whether the results are final: if so, `activation` is applied.
  int finishes;
  const graft_activation *activation;
} graft_blocked_tile;

/// Formats of packed weights.
enum {
  GRAFT_WEIGHTS_F32 = 0,   // [depth][column]
  GRAFT_WEIGHTS_BF16 = 1,  // bfloat16 in pairs of depths, [depth / 2][column][2]: half of the bytes
};

/// One kernel for products with packed weights.
typedef struct {
  /// Rows of a full tile, and columns of a panel (a multiple of 16).
  ptrdiff_t maximum_rows, panel_columns;
  /// GRAFT_WEIGHTS_…
  int32_t weight_format;
  /// Multiplies rows (at most maximum_rows) by `columns` (16 or panel_columns) columns. With
  /// bfloat16 weights the depth of a step is 16, and the rows are rounded to bfloat16 too; sums are
  /// floats.
  void (*multiply)(const graft_blocked_tile *tile, ptrdiff_t rows, ptrdiff_t columns);
  /// Whether some blocks, one after the other, contain NaN.
  int (*has_nan)(const float *blocks, ptrdiff_t count);
} graft_blocked_product;

typedef struct graft_winograd_problem graft_winograd_problem;

/// Winograd convolution F(m x m, 3 x 3) cuts the output into tiles of m x m.
typedef struct {
  /// m, and the extent of the input under a tile: m + 2.
  ptrdiff_t output_extent, input_extent;
  /// The blocks of input channels summed at once: sums of short sums have smaller rounding errors
  /// than a long one. The larger a tile, the more its output transform multiplies these errors.
  ptrdiff_t summed_blocks;
  /// Transforms the input under a tile: element (i, j) of the transform is written to target[(i *
  /// input_extent + j) * point_stride], 16 channels each. `source` is the pixel at (top, left) of
  /// an image of height x width blocks; pixels outside are 0.
  void (*transform_input)(
      const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t top, ptrdiff_t left,
      float *target, ptrdiff_t point_stride);
  /// Transforms products back, adds bias and residual, applies the activation, and writes the part
  /// inside the height x width output. `pools` writes the maximum of each 2 x 2 square instead, to
  /// an output of half the extents (rounded down). Returns 0, and writes nothing, if a product is
  /// infinite or NaN: it would get into all outputs of the tile.
  int (*transform_output)(
      const float *products, ptrdiff_t point_stride, const float *bias, const float *residual,
      const graft_activation *activation, int pools, float *image, ptrdiff_t height,
      ptrdiff_t width, ptrdiff_t top, ptrdiff_t left);
  /// Computes the same part of the output directly, from the image and the kernels whose transforms
  /// the weights are. It is slow.
  void (*convolve_tile)(
      const graft_winograd_problem *problem, ptrdiff_t image, ptrdiff_t top, ptrdiff_t left,
      ptrdiff_t output_channel);
  /// Transforms 3 x 3 kernels of 16 output channels at once: tap t is at source[t * 16].
  void (*transform_weights)(const float *source, float *target, ptrdiff_t point_stride);
  /// The transposes of the last two, for the gradient of the weights: from a tile of the output's
  /// gradient, whose pixels outside the height x width output are 0, to the points of the products,
  /// and from points to the gradients of 3 x 3 kernels (tap t at target[t * 16]).
  void (*transform_output_gradient)(
      const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t top, ptrdiff_t left,
      float *target, ptrdiff_t point_stride);
  void (*transform_weight_gradient)(const float *products, ptrdiff_t point_stride, float *target);
} graft_winograd;

/// Sums of outer products, for gradients of weights: c[r][column] (+)= sum over k of a[k * a_step +
/// r] * b[k * 16 + column] for the 16 channels r of one block, and the 16 columns of each of
/// `column_blocks` blocks (1 to maximum_column_blocks), b_block_stride apart. Results of block j
/// are at c[j * c_block_stride + r * 16]. Long sums are sums of shorter ones.
typedef struct {
  ptrdiff_t maximum_column_blocks;
  void (*add)(
      const float *a, ptrdiff_t a_step, const float *b, ptrdiff_t b_block_stride, ptrdiff_t depth,
      float *c, ptrdiff_t c_block_stride, ptrdiff_t column_blocks, int accumulates);
} graft_outer_product;

/// The kernels of one instruction set.
typedef struct {
  /// With float weights.
  graft_blocked_product product;
  /// F(2 x 2), F(4 x 4), F(6 x 6).
  const graft_winograd *winograd;
  graft_outer_product outer_product;
  /// Writes the maximum of each 2 x 2 square of a block of height x width pixels.
  void (*pool_squares)(const float *image, ptrdiff_t height, ptrdiff_t width, float *pooled);
  /// All layers but dense convolutions.
  graft_blocked_layers layers;
} graft_blocked_table;

/// The product with float weights.
static inline const graft_blocked_product *graft_blocked_f32_product(
    const graft_blocked_table *table) {
  return &table->product;
}

/// The product with bfloat16 weights for an instruction set (`GRAFT_ISA_…`) and instructions for
/// bfloat16 (`GRAFT_BF16_…`); NULL without such instructions, as widening weights gains nothing.
const graft_blocked_product *graft_blocked_bf16_product(
    int32_t instruction_set, int32_t bf16_instructions);

/// A 3 x 3 convolution of stride 1 by Winograd's method. Tiles are numbered through all images, row
/// by row.
struct graft_winograd_problem {
  const graft_blocked_table *table;
  const graft_winograd *form;
  ptrdiff_t image_count, input_channels, input_blocks, output_blocks;
  ptrdiff_t input_height, input_width, output_height, output_width, pad_top, pad_left;
  const float *input;
  /// From `graft_winograd_pack`.
  const float *weights;
  /// 16 for each block of output channels, or NULL.
  const float *bias;
  /// Laid out like `output`, or NULL.
  const float *residual;
  float *output;
  graft_activation activation;
  /// Whether to write only the maximum of each 2 x 2 square.
  int pools;
  /// The distance of two points of a transformed input.
  ptrdiff_t point_stride;
};

/// Transforms the input under some tiles in some blocks of channels; `target` is the place of the
/// first tile's block 0.
void graft_winograd_transform(
    const graft_winograd_problem *problem, ptrdiff_t first_tile, ptrdiff_t tile_count,
    ptrdiff_t first_block, ptrdiff_t block_count, float *target);

/// Multiplies the results of `graft_winograd_transform` for some tiles by some panels of weights,
/// and finishes the output there. `scratch`, aligned to 64 bytes, stores the products: for each
/// point of a tile those of all tiles and columns of these panels, and 16 more floats.
void graft_winograd_multiply(
    const graft_winograd_problem *problem, const float *transformed, ptrdiff_t first_tile,
    ptrdiff_t tile_count, ptrdiff_t first_panel, ptrdiff_t panel_count, float *scratch);

/// Transforms the weights of one panel. Weight (o, c, t) is at weights[o * output_stride + c *
/// input_stride + t]; channels beyond `output_channels` and `input_channels` are 0.
void graft_winograd_pack(
    const graft_blocked_table *table, const graft_winograd *form, const void *weights,
    ptrdiff_t output_channels, ptrdiff_t input_channels, ptrdiff_t output_stride,
    ptrdiff_t input_stride, ptrdiff_t panel, float *packed);

/// A convolution of one image, computed as products of shifted rows of the input with packed
/// weights. The input includes its padding. With several groups, a panel reads the blocks of input
/// channels that its output channels need, with weights of 0 for the other channels in these
/// blocks.
typedef struct {
  const graft_blocked_product *product;
  /// The columns of a panel of weights, from `graft_direct_panel_columns`.
  ptrdiff_t panel_columns;
  /// Whether the input is [C, H, W], for images with few channels, instead of blocked.
  int is_planar;
  ptrdiff_t input_channels, output_channels, group_count;
  ptrdiff_t input_height, input_width, output_height, output_width;
  ptrdiff_t kernel_height, kernel_width;
  ptrdiff_t row_stride, column_stride, row_dilation, column_dilation;
  const float *input;
  /// From `graft_direct_pack`.
  const float *weights;
  /// 16 for each block of output channels, or NULL.
  const float *bias;
  /// Laid out like `output`, or NULL.
  const float *residual;
  float *output;
  graft_activation activation;
} graft_direct_problem;

/// The product's columns of a panel, or 16 if wider panels would span more groups and multiply more
/// by zeros. Only reads the problem's product, channels and groups.
ptrdiff_t graft_direct_panel_columns(const graft_direct_problem *problem);

/// Whether a panel multiplies channels of several groups. If outputs of such a panel are NaN, they
/// are computed again, group by group; the output then must not be in the residual's place.
int graft_direct_mixes_groups(const graft_direct_problem *problem);

/// Computes some rows and columns of the output in some panels of its channels.
void graft_direct_convolve(
    const graft_direct_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
    ptrdiff_t first_column, ptrdiff_t column_count, ptrdiff_t first_panel, ptrdiff_t panel_count);

/// Packs the weights of one panel, [part][tap][channel of the part][column], from [output
/// channel][channel of the group][tap]. Only reads the problem's panel columns, channels, groups
/// and kernel.
void graft_direct_pack(
    const graft_direct_problem *problem, const void *weights, ptrdiff_t panel, float *packed);

/// The number of weights in the panels before one.
ptrdiff_t graft_direct_weight_offset(const graft_direct_problem *problem, ptrdiff_t panel);

/// The gradient of the weights of a convolution of one group, [output channel][input channel][tap].
typedef struct {
  const graft_blocked_table *table;
  /// Winograd's method needs 3 x 3 kernels of stride and dilation 1.
  const graft_winograd *form;
  ptrdiff_t image_count, input_channels, output_channels, input_blocks, output_blocks;
  ptrdiff_t input_height, input_width, output_height, output_width, pad_top, pad_left;
  ptrdiff_t kernel_height, kernel_width;
  ptrdiff_t row_stride, column_stride, row_dilation, column_dilation;
  const float *input, *output_gradient;
} graft_weight_gradient_problem;

/// Winograd's method: transforms `count` of some tiles, from the one numbered `first`, in one
/// block: of the input's blocks or, after these, the output gradient's. `transformed` has
/// `…_transform_count` floats.
void graft_weight_gradient_transform(
    const graft_weight_gradient_problem *problem, ptrdiff_t first_tile, ptrdiff_t tile_count,
    ptrdiff_t block, ptrdiff_t first, ptrdiff_t count, float *transformed);

ptrdiff_t graft_weight_gradient_transform_count(
    const graft_weight_gradient_problem *problem, ptrdiff_t tile_count);

/// Multiplies the transforms of one point, for some blocks of output channels. `products` has
/// `…_product_count` floats.
void graft_weight_gradient_multiply(
    const graft_weight_gradient_problem *problem, const float *transformed, ptrdiff_t tile_count,
    ptrdiff_t point, ptrdiff_t first_block, ptrdiff_t block_count, int accumulates,
    float *products);

ptrdiff_t graft_weight_gradient_product_count(const graft_weight_gradient_problem *problem);

/// Transforms the products of one block of output channels back.
void graft_weight_gradient_finish(
    const graft_weight_gradient_problem *problem, const float *products, ptrdiff_t output_block,
    float *gradient);

/// Direct method: the gradient between one block of input channels and as many output blocks as the
/// table's outer product computes at once. `scratch` has `…_direct_count` floats.
void graft_weight_gradient_direct(
    const graft_weight_gradient_problem *problem, ptrdiff_t input_block, ptrdiff_t output_block,
    float *scratch, float *gradient);

ptrdiff_t graft_weight_gradient_direct_count(const graft_weight_gradient_problem *problem);

/// Copies an image of height x width pixels of `pixel_count` floats each into one with padded
/// extents, with zeros around it.
void graft_pad_image(
    const float *image, ptrdiff_t height, ptrdiff_t width, ptrdiff_t pixel_count, ptrdiff_t top,
    ptrdiff_t left, ptrdiff_t padded_height, ptrdiff_t padded_width, float *padded);

#endif
