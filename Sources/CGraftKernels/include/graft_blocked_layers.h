#ifndef GRAFT_BLOCKED_LAYERS_H
#define GRAFT_BLOCKED_LAYERS_H

#include <stddef.h>

#include "graft_conv.h"
#include "graft_pool.h"

// Kernels of the blocked layout (see graft_blocked.h) for all layers but dense convolutions. A
// plane is one block of channels of one image, [H, W, 16]. The padding lanes of the last block
// never affect other lanes.

/// A convolution with one kernel per channel, for one plane: output[o] = bias + residual[o] + sum
/// over taps t of weights[t] * input[o, t]. Tap steps are positive.
typedef struct {
  graft_conv_axis height, width;
  const float *input;
  /// 16 for each tap.
  const float *weights;
  /// 16, or NULL.
  const float *bias;
  /// Laid out like `output`, or NULL; may be `output`.
  const float *residual;
  float *output;
  graft_activation activation;
} graft_blocked_depthwise;

/// One plane of such a convolution, for its gradients. The axes are the convolution's.
typedef struct {
  graft_conv_axis height, width;
  const float *input;
  const float *output_gradient;
} graft_blocked_depthwise_gradient;

/// Division by (bias + factor * sum of squares)^beta, with the sum over the channels from `before`
/// channels before to `after` channels after each channel.
typedef struct {
  ptrdiff_t channels;
  /// The number of positions of a plane.
  ptrdiff_t position_count;
  ptrdiff_t before, after;
  float factor, bias, beta;
} graft_blocked_response;

/// The kernels of one instruction set.
typedef struct {
  /// Interleaves `count` positions of up to 16 channels, whose planes are `channel_stride` apart;
  /// lanes beyond `channels` become 0.
  void (*to_blocks)(
      const float *x, ptrdiff_t channel_stride, ptrdiff_t channels, ptrdiff_t count, float *y);
  /// The inverse: writes the first `channels` lanes of `count` positions.
  void (*from_blocks)(
      const float *x, ptrdiff_t count, ptrdiff_t channels, ptrdiff_t channel_stride, float *y);
  /// Like those of graft_pool_table, on planes of blocks, with the same bits.
  void (*max_pool)(
      const graft_pool *pool, const float *x, float *y, ptrdiff_t first_row, ptrdiff_t past_row);
  /// The gradient of max_pool of one plane: an output's gradient is added to the first of the
  /// largest elements of its window; if x `follows_relu`, only where that element is positive.
  void (*max_pool_gradient)(
      const graft_pool *pool, const float *x, const float *output_gradient, int follows_relu,
      float *gradient);
  void (*average_pool)(
      const graft_pool *pool, const float *x, float *y, ptrdiff_t first_row, ptrdiff_t past_row);
  /// The mean of all `count` positions of each plane.
  void (*global_average_pool)(const float *x, float *y, ptrdiff_t plane_count, ptrdiff_t count);
  /// Computes some rows of a depthwise convolution's output.
  void (*convolve_depthwise)(
      const graft_blocked_depthwise *problem, ptrdiff_t first_row, ptrdiff_t row_count);
  /// Adds a plane's part of the weights' gradient to `gradient`, 16 for each tap.
  void (*add_depthwise_weight_gradient)(
      const graft_blocked_depthwise_gradient *problem, float *gradient);
  /// Computes some rows of the input's gradient; the input itself is not read. `weights` are 16 for
  /// each tap.
  void (*depthwise_input_gradient)(
      const graft_blocked_depthwise_gradient *problem, const float *weights, ptrdiff_t first_row,
      ptrdiff_t row_count, float *gradient);
  /// y = activation(x * scale + shift) for `count` positions of one plane, with 16 scales and
  /// shifts. `y` may be `x`.
  void (*scale_positions)(
      const float *x, const float *scale, const float *shift, const graft_activation *activation,
      ptrdiff_t count, float *y);
  /// Divides all channels of some positions of one image. `y` may be `x`; for the size of the
  /// scratch memory see graft_blocked_response_scratch_count.
  void (*divide_responses)(
      const graft_blocked_response *response, const float *x, ptrdiff_t first_position,
      ptrdiff_t count, float *scratch, float *y);
  /// Fills a block with the given 16 channels of an image of blocks; 0 where a channel is negative.
  void (*gather_channels)(
      const float *image, ptrdiff_t position_count, const int32_t *channels, float *y);
  /// Adds, for each of the 16 channels of `count` positions, the sums of x - origin and of its
  /// squares to sums[0] to sums[15] and sums[16] to sums[31].
  void (*add_deviations)(const float *x, const float *origin, ptrdiff_t count, double *sums);
  /// The same with the sums of a gradient and of its products with x - origin.
  void (*add_gradient_deviations)(
      const float *x, const float *origin, const float *gradient, ptrdiff_t count, double *sums);
  /// y = gradient * gradient_factor + (x - origin) * deviation_factor + shift. `y` may be
  /// `gradient` or `x`.
  void (*combine_deviations)(
      const float *x, const float *origin, const float *gradient, const float *gradient_factor,
      const float *deviation_factor, const float *shift, ptrdiff_t count, float *y);
} graft_blocked_layers;

/// The floats of scratch memory that `divide_responses` needs.
ptrdiff_t graft_blocked_response_scratch_count(const graft_blocked_response *response);

#endif
