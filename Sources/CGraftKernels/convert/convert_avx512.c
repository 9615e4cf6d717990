#if defined(__x86_64__)

#define GRAFT_LANES 16
#define GRAFT_TABLE graft_convert_avx512
#include <immintrin.h>

#include "convert_tables.h"
#include "convert_vectors.h"
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)

GRAFT_INLINE floats floats_of_halves(halves value) {
  return (floats)_mm512_cvtph_ps((__m256i)value);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  return (halves)_mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT);
}

#include "convert_template.h"
#pragma clang attribute pop

#endif
