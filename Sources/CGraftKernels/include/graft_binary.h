#ifndef GRAFT_BINARY_H
#define GRAFT_BINARY_H

#include <stdint.h>

// Elementwise kernels over rows. Pointers need only the alignment of their elements. The result may
// be exactly an operand's memory, but must not overlap it otherwise. A scalar operand is read once.

typedef void (*graft_binary_f32)(
    const float *left, const float *right, float *result, int64_t count);
typedef void (*graft_compare_f32)(
    const float *left, const float *right, uint8_t *result, int64_t count);

/// One operation on two vectors, a vector and a scalar, or a scalar and a vector.
typedef struct {
  graft_binary_f32 vector_vector, vector_scalar, scalar_vector;
} graft_binary_f32_rows;

/// Like `graft_binary_f32_rows`, with results of 0 or 1.
typedef struct {
  graft_compare_f32 vector_vector, vector_scalar, scalar_vector;
} graft_compare_f32_rows;

typedef struct {
  graft_binary_f32_rows add, subtract, multiply, divide;
  /// NaN if either is NaN.
  graft_binary_f32_rows minimum, maximum;
  /// left < 0 ? left * right : left
  graft_binary_f32_rows prelu;
  graft_compare_f32_rows equal, greater, greater_or_equal, less, less_or_equal;
  /// result[i] += scale * values[i]; no aliasing
  void (*add_scaled)(float *result, float scale, const float *values, int64_t count);
  /// result[i] = condition[i] ? left[i] : right[i], for elements of four bytes
  void (*select_32)(
      const uint8_t *condition, const uint32_t *left, const uint32_t *right, uint32_t *result,
      int64_t count);
  /// right > 0 ? left : 0
  graft_binary_f32 relu_gradient;
  /// right <= low or right >= high ? 0 : left
  void (*clip_gradient)(
      const float *left, const float *right, float low, float high, float *result, int64_t count);
} graft_binary_table;

#endif
