#ifndef GRAFT_FOURIER_H
#define GRAFT_FOURIER_H

#include <stdint.h>

/// One step of a transform: DFTs of `radix` points, a factor of the length.
///
/// Source: Stockham's algorithm, see Van Loan, "Computational Frameworks for the Fast Fourier
/// Transform", SIAM 1992, section 1.7
typedef struct {
  int64_t radix;
  /// What remains of the length after this step: the twiddle factors differ between groups.
  int64_t groups;
  /// The elements with the same twiddle factors, next to each other.
  int64_t stride;
  /// Where the step's factors begin in the table.
  int64_t first_factor;
} graft_fourier_step;

/// The largest prime factor that a step may have.
#define GRAFT_FOURIER_LARGEST_RADIX 61

/// Where points come from. Several lines can be transformed at once; element `lane` of point i of
/// the buffers belongs to line `lane`.
typedef struct {
  /// The first line's first real part and imaginary part; without the latter, points are real.
  const void *_Nonnull re;
  const void *_Nullable im;
  /// Elements from one point to the next, and from one line to the next.
  int64_t step, lane_step;
  /// The points that there are; up to `length` the others are 0.
  int64_t re_count, im_count, length;
  /// The lines that there are; up to `lanes` the others are 0.
  int64_t present_lanes, lanes;
  /// Each point is multiplied by an element of these, if there are any.
  const void *_Nullable re_window, *_Nullable im_window;
  int64_t window_step;
} graft_fourier_source;

/// Where points go.
typedef struct {
  void *_Nonnull re;
  void *_Nullable im;
  int64_t step, lane_step;
  int64_t count;
  int64_t present_lanes, lanes;
  double re_scale, im_scale;
} graft_fourier_target;

/// Discrete Fourier transforms of one element type. Points lie in two buffers, real and imaginary
/// parts, each with `lane_count` more elements than it has points times lines.
typedef struct {
  /// Elements of a vector.
  int64_t lane_count;
  void (*_Nonnull load)(
      const graft_fourier_source *_Nonnull source, void *_Nonnull re, void *_Nonnull im);
  void (*_Nonnull store)(
      const graft_fourier_target *_Nonnull target, const void *_Nonnull re,
      const void *_Nonnull im);
  /// X[k] = sum over j of x[j] exp(-2 pi i j k / n). With real and imaginary parts exchanged, it is
  /// the inverse transform times n.
  ///
  /// Steps with a stride of at least a vector have, for each group, the factors of points 1 and
  /// up, as pairs. Others have for each of these points all real parts and then all imaginary ones,
  /// by group and stride, up to a whole vector. Both follow the cosines and sines of the radix, if
  /// it is 11 or more.
  ///
  /// Returns whether the result is in the spare buffers.
  int32_t (*_Nonnull transform)(
      const graft_fourier_step *_Nonnull steps, int64_t step_count, const void *_Nonnull factors,
      void *_Nonnull re, void *_Nonnull im, void *_Nonnull spare_re, void *_Nonnull spare_im);
  /// Multiplies `count` points of all lines by complex factors.
  void (*_Nonnull multiply)(
      void *_Nonnull re, void *_Nonnull im, int64_t count, int64_t lanes,
      const void *_Nonnull factors_re, const void *_Nonnull factors_im);
  /// The first half + 1 points of the transform of 2 half real points, from the transform of
  /// x[2 j] + i x[2 j + 1]. The factors are cos and sin of pi k / half, for each k.
  void (*_Nonnull split_real)(
      const void *_Nonnull re, const void *_Nonnull im, int64_t half, int64_t lanes,
      const void *_Nonnull cosines, const void *_Nonnull sines, void *_Nonnull to_re,
      void *_Nonnull to_im);
  /// The inverse of `split_real`, times 2.
  void (*_Nonnull join_real)(
      const void *_Nonnull re, const void *_Nonnull im, int64_t half, int64_t lanes,
      const void *_Nonnull cosines, const void *_Nonnull sines, void *_Nonnull to_re,
      void *_Nonnull to_im);
} graft_fourier_table;

#endif
