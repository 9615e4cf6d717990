#ifndef GRAFT_VECTOR_AVX2_H
#define GRAFT_VECTOR_AVX2_H

// Like scalar.h, for vectors of eight floats.
#define VECTOR_LANES 8

typedef __m256 vector;

GRAFT_INLINE vector broadcast(float x) { return _mm256_set1_ps(x); }
GRAFT_INLINE vector load(const float *p) { return _mm256_loadu_ps(p); }
GRAFT_INLINE void store(float *p, vector x) { _mm256_storeu_ps(p, x); }

GRAFT_INLINE __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(
      _mm256_set1_epi32((int32_t)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
GRAFT_INLINE vector load_first(const float *p, int64_t count, float fill) {
  const __m256i lanes = first_lanes(count);
  return _mm256_blendv_ps(
      _mm256_set1_ps(fill), _mm256_maskload_ps(p, lanes), _mm256_castsi256_ps(lanes));
}
GRAFT_INLINE void store_first(float *p, int64_t count, vector x) {
  _mm256_maskstore_ps(p, first_lanes(count), x);
}

GRAFT_INLINE vector load_even(const float *p) {
  const __m256 low = _mm256_loadu_ps(p), high = _mm256_loadu_ps(p + 8);
  const __m256 mixed = _mm256_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(mixed), _MM_SHUFFLE(3, 1, 2, 0)));
}

GRAFT_INLINE vector pick(const float *p, int64_t readable, const int32_t *indices, int64_t span) {
  const __m256i lanes = _mm256_loadu_si256((const __m256i *)indices);
  if (span > 16) return _mm256_i32gather_ps(p, lanes, 4);
  const vector low = readable < 8 ? load_first(p, readable, 0) : load(p);
  const vector picked = _mm256_permutevar8x32_ps(low, lanes);
  if (span <= 8) return picked;
  // Only the lowest three bits of an index are used.
  const vector high = readable < 16 ? load_first(p + 8, readable - 8, 0) : load(p + 8);
  const __m256i is_low = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), lanes);
  return _mm256_blendv_ps(
      _mm256_permutevar8x32_ps(high, lanes), picked, _mm256_castsi256_ps(is_low));
}

GRAFT_INLINE vector add(vector a, vector b) { return _mm256_add_ps(a, b); }
GRAFT_INLINE vector subtract(vector a, vector b) { return _mm256_sub_ps(a, b); }
GRAFT_INLINE vector multiply(vector a, vector b) { return _mm256_mul_ps(a, b); }
GRAFT_INLINE vector divide(vector a, vector b) { return _mm256_div_ps(a, b); }
GRAFT_INLINE vector multiply_add(vector a, vector b, vector c) { return _mm256_fmadd_ps(a, b, c); }

GRAFT_INLINE vector larger(vector a, vector b) { return _mm256_max_ps(a, b); }
/// The instruction returns its second operand if one is NaN or both are zero.
GRAFT_INLINE vector maximum(vector a, vector b) {
  return _mm256_blendv_ps(_mm256_max_ps(b, a), b, _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
}

GRAFT_INLINE vector nearest_integer(vector x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GRAFT_INLINE vector scale_by_power_of_two(vector x, vector n) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127 + 24));
  const __m256 power = _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
  return _mm256_mul_ps(_mm256_mul_ps(x, power), _mm256_set1_ps(0x1p-24f));
}
GRAFT_INLINE vector zero_below(vector x, vector test, vector bound) {
  return _mm256_andnot_ps(_mm256_cmp_ps(test, bound, _CMP_LT_OQ), x);
}

GRAFT_INLINE float sum_of_elements(vector x) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}
GRAFT_INLINE float largest_element(vector x) {
  __m128 largest = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  largest = _mm_max_ps(largest, _mm_movehl_ps(largest, largest));
  return _mm_cvtss_f32(_mm_max_ss(largest, _mm_movehdup_ps(largest)));
}

#endif
