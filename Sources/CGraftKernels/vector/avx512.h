#ifndef GRAFT_VECTOR_AVX512_H
#define GRAFT_VECTOR_AVX512_H

// Like scalar.h, for vectors of sixteen floats.
#define VECTOR_LANES 16

typedef __m512 vector;

GRAFT_INLINE vector broadcast(float x) { return _mm512_set1_ps(x); }
GRAFT_INLINE vector load(const float *p) { return _mm512_loadu_ps(p); }
GRAFT_INLINE void store(float *p, vector x) { _mm512_storeu_ps(p, x); }

GRAFT_INLINE vector load_first(const float *p, int64_t count, float fill) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << count) - 1), p);
}
GRAFT_INLINE void store_first(float *p, int64_t count, vector x) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), x);
}

GRAFT_INLINE vector load_even(const float *p) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_loadu_ps(p + 16));
}

GRAFT_INLINE vector pick(const float *p, int64_t readable, const int32_t *indices, int64_t span) {
  const __m512i lanes = _mm512_loadu_si512(indices);
  if (span > 32) return _mm512_i32gather_ps(lanes, p, 4);
  const vector low = readable < 16 ? load_first(p, readable, 0) : load(p);
  if (span <= 16) return _mm512_permutexvar_ps(lanes, low);
  const vector high = readable < 32 ? load_first(p + 16, readable - 16, 0) : load(p + 16);
  return _mm512_permutex2var_ps(low, lanes, high);
}

GRAFT_INLINE vector add(vector a, vector b) { return _mm512_add_ps(a, b); }
GRAFT_INLINE vector subtract(vector a, vector b) { return _mm512_sub_ps(a, b); }
GRAFT_INLINE vector multiply(vector a, vector b) { return _mm512_mul_ps(a, b); }
GRAFT_INLINE vector divide(vector a, vector b) { return _mm512_div_ps(a, b); }
GRAFT_INLINE vector multiply_add(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }

GRAFT_INLINE vector larger(vector a, vector b) { return _mm512_max_ps(a, b); }
/// The instruction returns its second operand if one is NaN or both are zero.
GRAFT_INLINE vector maximum(vector a, vector b) {
  return _mm512_mask_mov_ps(_mm512_max_ps(b, a), _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
}

GRAFT_INLINE vector nearest_integer(vector x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GRAFT_INLINE vector scale_by_power_of_two(vector x, vector n) { return _mm512_scalef_ps(x, n); }
GRAFT_INLINE vector zero_below(vector x, vector test, vector bound) {
  return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(test, bound, _CMP_LT_OQ), _mm512_setzero_ps());
}

GRAFT_INLINE float sum_of_elements(vector x) { return _mm512_reduce_add_ps(x); }
GRAFT_INLINE float largest_element(vector x) { return _mm512_reduce_max_ps(x); }

#endif
