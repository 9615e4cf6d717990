#if defined(__x86_64__)

#define GRAFT_LANES 8
#define GRAFT_TABLE graft_convert_avx2
#include <immintrin.h>

#include "convert_tables.h"
#include "convert_vectors.h"
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)

GRAFT_INLINE floats floats_of_halves(halves value) {
  return (floats)_mm256_cvtph_ps((__m128i)value);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  return (halves)_mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT);
}

#include "convert_template.h"
#pragma clang attribute pop

#endif
