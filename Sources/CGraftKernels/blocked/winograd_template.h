// Winograd's transforms in one dimension, for tiles of 2, 4 and 6 outputs and kernels of 3 taps
// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
//
// The input's matrix is B: row i, for the interpolation point p, has the coefficients of the
// product of (x - q) over the other points q; the last row, for infinity, those of the product over
// all. The kernel's is G, (1, p, p^2) over the product of (p - q); the output's is A, the powers of
// p. The order of points is 0, p, -p, ..., infinity, so that rows of p and -p share their even and
// odd parts.
// The points were chosen for small rounding errors: 1; 1/sqrt(2), sqrt(2); 1/2, 1, 2.

#define ROOT_OF_HALF 0.70710678118654752440
#define ROOT_OF_TWO 1.41421356237309504880

/// even + odd and even - odd, at the places of opposite points.
GRAFT_INLINE void store_opposite(block even, block odd, block *target) {
  target[0] = even + odd;
  target[1] = even - odd;
}

GRAFT_INLINE void input_row_2(const block *d, block *t) {
  t[0] = d[2] - d[0];
  store_opposite(d[2], d[1], t + 1);
  t[3] = d[3] - d[1];
}

GRAFT_INLINE void input_row_4(const block *d, block *t) {
  t[0] = d[0] + (d[4] - 2.5f * d[2]);
  store_opposite(d[4] - 2 * d[2], (float)ROOT_OF_HALF * (d[3] - 2 * d[1]), t + 1);
  store_opposite(d[4] - 0.5f * d[2], (float)ROOT_OF_TWO * (d[3] - 0.5f * d[1]), t + 3);
  t[5] = d[1] + (d[5] - 2.5f * d[3]);
}

GRAFT_INLINE void input_row_6(const block *d, block *t) {
  t[0] = (d[6] - d[0]) + 5.25f * (d[2] - d[4]);
  store_opposite(d[6] - 5 * d[4] + 4 * d[2], 0.5f * (d[5] - 5 * d[3] + 4 * d[1]), t + 1);
  store_opposite(d[6] - 4.25f * d[4] + d[2], d[5] - 4.25f * d[3] + d[1], t + 3);
  store_opposite(
      d[6] - 1.25f * d[4] + 0.25f * d[2], 2 * (d[5] - 1.25f * d[3] + 0.25f * d[1]), t + 5);
  t[7] = (d[7] - d[1]) + 5.25f * (d[3] - d[5]);
}

GRAFT_INLINE void output_row_2(const block *m, block *y) {
  y[0] = m[0] + (m[1] + m[2]);
  y[1] = (m[1] - m[2]) + m[3];
}

GRAFT_INLINE void output_row_4(const block *m, block *y) {
  const block even1 = m[1] + m[2], odd1 = (float)ROOT_OF_HALF * (m[1] - m[2]);
  const block even2 = m[3] + m[4], odd2 = (float)ROOT_OF_TWO * (m[3] - m[4]);
  y[0] = m[0] + (even1 + even2);
  y[1] = odd1 + odd2;
  y[2] = 0.5f * even1 + 2 * even2;
  y[3] = 0.5f * odd1 + (2 * odd2 + m[5]);
}

GRAFT_INLINE void output_row_6(const block *m, block *y) {
  const block even1 = m[1] + m[2], odd1 = 0.5f * (m[1] - m[2]);
  const block even2 = m[3] + m[4], odd2 = m[3] - m[4];
  const block even3 = m[5] + m[6], odd3 = 2 * (m[5] - m[6]);
  y[0] = m[0] + (even1 + (even2 + even3));
  y[1] = odd1 + (odd2 + odd3);
  y[2] = 0.25f * even1 + (even2 + 4 * even3);
  y[3] = 0.25f * odd1 + (odd2 + 4 * odd3);
  y[4] = 0.0625f * even1 + (even2 + 16 * even3);
  y[5] = 0.0625f * odd1 + (odd2 + 16 * odd3) + m[7];
}

typedef double wide_block __attribute__((ext_vector_type(16)));

/// G's rows for the points p and -p.
GRAFT_INLINE void weight_pair(const wide_block *w, double point, double divisor, wide_block *t) {
  const wide_block even = (w[0] + point * point * w[2]) / divisor, odd = point * w[1] / divisor;
  t[0] = even + odd;
  t[1] = even - odd;
}

GRAFT_INLINE void weight_row_2(const wide_block *w, wide_block *t) {
  t[0] = -w[0];
  weight_pair(w, 1, 2, t + 1);
  t[3] = w[2];
}

GRAFT_INLINE void weight_row_4(const wide_block *w, wide_block *t) {
  t[0] = w[0];
  weight_pair(w, ROOT_OF_HALF, -1.5, t + 1);
  weight_pair(w, ROOT_OF_TWO, 6, t + 3);
  t[5] = w[2];
}

GRAFT_INLINE void weight_row_6(const wide_block *w, wide_block *t) {
  t[0] = -w[0];
  weight_pair(w, 0.5, 1.40625, t + 1);
  weight_pair(w, 1, -4.5, t + 3);
  weight_pair(w, 2, 90, t + 5);
  t[7] = w[2];
}

// The inverses of weight_row, from the points 0, p, -p and infinity, the first of each row.

GRAFT_INLINE void kernel_row_2(const block *t, block *w) {
  w[0] = -t[0], w[1] = t[1] - t[2], w[2] = t[3];
}

GRAFT_INLINE void kernel_row_4(const block *t, block *w) {
  w[0] = t[0], w[1] = (float)(-1.5 * ROOT_OF_HALF) * (t[1] - t[2]), w[2] = t[3];
}

GRAFT_INLINE void kernel_row_6(const block *t, block *w) {
  w[0] = -t[0], w[1] = 1.40625f * (t[1] - t[2]), w[2] = t[3];
}

// The transposes of output_row and weight_row.

GRAFT_INLINE void output_gradient_row_2(const block *y, block *m) {
  m[0] = y[0];
  store_opposite(y[0], y[1], m + 1);
  m[3] = y[1];
}

GRAFT_INLINE void output_gradient_row_4(const block *y, block *m) {
  m[0] = y[0];
  store_opposite(y[0] + 0.5f * y[2], (float)ROOT_OF_HALF * (y[1] + 0.5f * y[3]), m + 1);
  store_opposite(y[0] + 2 * y[2], (float)ROOT_OF_TWO * (y[1] + 2 * y[3]), m + 3);
  m[5] = y[3];
}

GRAFT_INLINE void output_gradient_row_6(const block *y, block *m) {
  m[0] = y[0];
  store_opposite(
      y[0] + 0.25f * y[2] + 0.0625f * y[4], 0.5f * (y[1] + 0.25f * y[3] + 0.0625f * y[5]), m + 1);
  store_opposite(y[0] + y[2] + y[4], y[1] + y[3] + y[5], m + 3);
  store_opposite(y[0] + 4 * y[2] + 16 * y[4], 2 * (y[1] + 4 * y[3] + 16 * y[5]), m + 5);
  m[7] = y[5];
}

/// Adds the results of weight_pair's points p and -p.
GRAFT_INLINE void weight_gradient_pair(const block *t, double point, double divisor, block *w) {
  const block even = (float)(1 / divisor) * (t[0] + t[1]);
  w[0] += even;
  w[1] += (float)(point / divisor) * (t[0] - t[1]);
  w[2] += (float)(point * point) * even;
}

GRAFT_INLINE void weight_gradient_row_2(const block *t, block *w) {
  w[0] = -t[0], w[1] = 0, w[2] = t[3];
  weight_gradient_pair(t + 1, 1, 2, w);
}

GRAFT_INLINE void weight_gradient_row_4(const block *t, block *w) {
  w[0] = t[0], w[1] = 0, w[2] = t[5];
  weight_gradient_pair(t + 1, ROOT_OF_HALF, -1.5, w);
  weight_gradient_pair(t + 3, ROOT_OF_TWO, 6, w);
}

GRAFT_INLINE void weight_gradient_row_6(const block *t, block *w) {
  w[0] = -t[0], w[1] = 0, w[2] = t[7];
  weight_gradient_pair(t + 1, 0.5, 1.40625, w);
  weight_gradient_pair(t + 3, 1, -4.5, w);
  weight_gradient_pair(t + 5, 2, 90, w);
}

#define EXTENT 2
#define NAME(base) base##_2
#include "winograd_tile_template.h"
#undef EXTENT
#undef NAME

#define EXTENT 4
#define NAME(base) base##_4
#include "winograd_tile_template.h"
#undef EXTENT
#undef NAME

#define EXTENT 6
#define NAME(base) base##_6
#include "winograd_tile_template.h"
#undef EXTENT
#undef NAME
