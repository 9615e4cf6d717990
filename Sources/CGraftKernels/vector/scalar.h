#ifndef GRAFT_VECTOR_SCALAR_H
#define GRAFT_VECTOR_SCALAR_H

// The vector operations that the kernel templates are written in, for vectors of one float.
#define VECTOR_LANES 1

typedef float vector;

GRAFT_INLINE vector broadcast(float x) { return x; }
GRAFT_INLINE vector load(const float *p) { return *p; }
GRAFT_INLINE void store(float *p, vector x) { *p = x; }

/// The first `count` (below the width) elements, `fill` in the others. A vector of one float has no
/// such part.
GRAFT_INLINE vector load_first(const float *p, int64_t count, float fill) {
  return count > 0 ? *p : fill;
}
GRAFT_INLINE void store_first(float *p, int64_t count, vector x) {
  if (count > 0) *p = x;
}

/// Every second element, from the first; reads twice the width.
GRAFT_INLINE vector load_even(const float *p) { return *p; }

/// `p[indices[lane]]` in each lane, bit for bit. `p` has `readable` elements; indices are in 0 ..<
/// `span`, which is at most `readable`.
GRAFT_INLINE vector pick(const float *p, int64_t readable, const int32_t *indices, int64_t span) {
  (void)readable, (void)span;
  float x;
  memcpy(&x, p + *indices, sizeof x);
  return x;
}

GRAFT_INLINE vector add(vector a, vector b) { return a + b; }
GRAFT_INLINE vector subtract(vector a, vector b) { return a - b; }
GRAFT_INLINE vector multiply(vector a, vector b) { return a * b; }
GRAFT_INLINE vector divide(vector a, vector b) { return a / b; }
/// a * b + c
GRAFT_INLINE vector multiply_add(vector a, vector b, vector c) { return a * b + c; }

/// The larger one; `b` if one is NaN or both are zero.
GRAFT_INLINE vector larger(vector a, vector b) { return a > b ? a : b; }
/// The larger one; NaN if one is NaN.
GRAFT_INLINE vector maximum(vector a, vector b) { return b > a || b != b ? b : a; }

GRAFT_INLINE vector nearest_integer(vector x) { return rintf(x); }

/// x times 2 to the power of an integer in -150...100, for x below 4.
/// Undefined where `n` is NaN.
GRAFT_INLINE vector scale_by_power_of_two(vector x, vector n) {
  // Only the last factor can give a subnormal number, so that the result is rounded once.
  const uint32_t bits = (uint32_t)(n == n ? (int32_t)n + 127 + 24 : 0) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return x * power * 0x1p-24f;
}

/// `x`, or 0 where `test` is below `bound`
GRAFT_INLINE vector zero_below(vector x, vector test, vector bound) { return test < bound ? 0 : x; }

GRAFT_INLINE float sum_of_elements(vector x) { return x; }
/// Of numbers none of which is NaN.
GRAFT_INLINE float largest_element(vector x) { return x; }

#endif
