// Discrete Fourier transforms: see graft_fourier.h.

// Alternates the elements of the lower and upper halves of two vectors.
#define INTERLEAVE_LOW_2(a, b) __builtin_shufflevector(a, b, 0, 2)
#define INTERLEAVE_HIGH_2(a, b) __builtin_shufflevector(a, b, 1, 3)
#define INTERLEAVE_LOW_4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define INTERLEAVE_HIGH_4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define INTERLEAVE_LOW_8(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH_8(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define INTERLEAVE_LOW_16(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH_16(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

#define ELEMENT float
#define NAME(base) base##_f32
#if VECTOR_BYTES == 64
#define LANES 16
#define INTERLEAVE_LOW INTERLEAVE_LOW_16
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_16
#elif VECTOR_BYTES == 32
#define LANES 8
#define INTERLEAVE_LOW INTERLEAVE_LOW_8
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_8
#else
#define LANES 4
#define INTERLEAVE_LOW INTERLEAVE_LOW_4
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_4
#endif
#include "fourier_element_template.h"
#undef ELEMENT
#undef NAME
#undef LANES
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH

#define ELEMENT double
#define NAME(base) base##_f64
#if VECTOR_BYTES == 64
#define LANES 8
#define INTERLEAVE_LOW INTERLEAVE_LOW_8
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_8
#elif VECTOR_BYTES == 32
#define LANES 4
#define INTERLEAVE_LOW INTERLEAVE_LOW_4
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_4
#else
#define LANES 2
#define INTERLEAVE_LOW INTERLEAVE_LOW_2
#define INTERLEAVE_HIGH INTERLEAVE_HIGH_2
#endif
#include "fourier_element_template.h"
#undef ELEMENT
#undef NAME
#undef LANES
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH

static const graft_fourier_table *const fourier_tables[2] = {
    &fourier_table_f32,
    &fourier_table_f64,
};
