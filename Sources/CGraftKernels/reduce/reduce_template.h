// Reductions of rows: see graft_reduce.h.

// Eight lanes each, without alignment.
typedef float float8 __attribute__((vector_size(32), aligned(4)));
typedef int32_t int8 __attribute__((vector_size(32), aligned(4)));
typedef double double8 __attribute__((vector_size(64), aligned(8)));
typedef double double4 __attribute__((vector_size(32), aligned(8)));
typedef int64_t long8 __attribute__((vector_size(64), aligned(8)));

// From element n on: eight lanes, the last n of them set.
static const int32_t last_lanes[16] = {0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1};

GRAFT_INLINE double sum_of_lanes(double8 lanes) {
  const double4 halves = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3) +
                         __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7);
  return (halves[0] + halves[2]) + (halves[1] + halves[3]);
}

// Four vectors of eight doubles hide the latency of an addition. An incomplete last vector is read
// with the elements before it, which a mask makes zero. A row shorter than a vector is read with
// the memory after it, if there is any.
#define SUM(name, vector_term, scalar_term)                                                  \
  GRAFT_INLINE double name##_of_row(const float *values, int64_t count) {                    \
    double8 sums[4] = {{0}};                                                                 \
    int64_t i = 0;                                                                           \
    for (; i + 32 <= count; i += 32) {                                                       \
      for (int part = 0; part < 4; part++) {                                                 \
        const double8 x =                                                                    \
            __builtin_convertvector(*(const float8 *)(values + i + 8 * part), double8);      \
        sums[part] += vector_term;                                                           \
      }                                                                                      \
    }                                                                                        \
    for (; i + 8 <= count; i += 8) {                                                         \
      const double8 x = __builtin_convertvector(*(const float8 *)(values + i), double8);     \
      sums[0] += vector_term;                                                                \
    }                                                                                        \
    if (i < count) {                                                                         \
      const int8 rest =                                                                      \
          *(const int8 *)(values + count - 8) & *(const int8 *)(last_lanes + (count - i));   \
      const double8 x = __builtin_convertvector((float8)rest, double8);                      \
      sums[1] += vector_term;                                                                \
    }                                                                                        \
    return sum_of_lanes((sums[0] + sums[1]) + (sums[2] + sums[3]));                          \
  }                                                                                          \
  static void name##_reduce(                                                                 \
      double *sums, const float *values, int64_t row_count, int64_t stride, int64_t count) { \
    if (count >= 8) {                                                                        \
      for (int64_t row = 0; row < row_count; row++)                                          \
        sums[row] = name##_of_row(values + row * stride, count);                             \
      return;                                                                                \
    }                                                                                        \
    const int8 mask = ~*(const int8 *)(last_lanes + 8 - count);                              \
    const int64_t readable = count > 0 ? (row_count - 1) * stride + count : 0;               \
    for (int64_t row = 0; row < row_count; row++) {                                          \
      float padded[8] = {0};                                                                 \
      const float *from = values + row * stride;                                             \
      if (row * stride + 8 > readable) {                                                     \
        for (int64_t i = 0; i < count; i++) padded[i] = from[i];                             \
        from = padded;                                                                       \
      }                                                                                      \
      const float8 few = (float8)(*(const int8 *)from & mask);                               \
      const double8 x = __builtin_convertvector(few, double8);                               \
      sums[row] = sum_of_lanes(vector_term);                                                 \
    }                                                                                        \
  }                                                                                          \
  static void name##_accumulate(                                                             \
      double *restrict sums, const float *restrict values, int64_t count) {                  \
    for (int64_t i = 0; i < count; i++) {                                                    \
      const double x = values[i];                                                            \
      sums[i] += scalar_term;                                                                \
    }                                                                                        \
  }

SUM(sum, x, x)
SUM(sum_of_squares, (x * x), (x * x))
SUM(sum_of_magnitudes, (double8)((long8)x & INT64_MAX), __builtin_fabs(x))

// The maximum or minimum of each lane, never NaN. Vectors of comparisons record NaN; a row that has
// one is searched for it.
#define WINNERS(a, b, comparison) \
  ((float8)(((int8)(a) & ((a)comparison(b))) | ((int8)(b) & ~((a)comparison(b)))))

#define EXTREME(name, start, comparison)                                                        \
  static float name##_of_few(const float *values, int64_t count) {                              \
    float extreme = start;                                                                      \
    for (int64_t i = 0; i < count; i++) {                                                       \
      const float x = values[i];                                                                \
      if (x comparison extreme || x != x) extreme = x;                                          \
    }                                                                                           \
    return extreme;                                                                             \
  }                                                                                             \
  GRAFT_INLINE float name##_of_row(const float *values, int64_t count) {                        \
    if (count < 8) return name##_of_few(values, count);                                         \
    float8 best[4];                                                                             \
    int8 unordered = {0};                                                                       \
    for (int part = 0; part < 4; part++) best[part] = (float8){0} + start;                      \
    int64_t i = 0;                                                                              \
    for (; i + 32 <= count; i += 32) {                                                          \
      for (int part = 0; part < 4; part++) {                                                    \
        const float8 x = *(const float8 *)(values + i + 8 * part);                              \
        best[part] = WINNERS(x, best[part], comparison);                                        \
      }                                                                                         \
      for (int part = 0; part < 4; part += 2) {                                                 \
        const float8 x = *(const float8 *)(values + i + 8 * part);                              \
        const float8 y = *(const float8 *)(values + i + 8 * part + 8);                          \
        unordered |= ~((x <= y) | (x > y));                                                     \
      }                                                                                         \
    }                                                                                           \
    for (; i < count; i += 8) {                                                                 \
      /* Elements that come twice change nothing. */                                            \
      const float8 x = *(const float8 *)(values + (i + 8 <= count ? i : count - 8));            \
      best[0] = WINNERS(x, best[0], comparison);                                                \
      unordered |= x != x;                                                                      \
    }                                                                                           \
    if (__builtin_reduce_or(unordered)) return name##_of_few(values, count);                    \
    best[0] = WINNERS(best[1], best[0], comparison);                                            \
    best[2] = WINNERS(best[3], best[2], comparison);                                            \
    best[0] = WINNERS(best[2], best[0], comparison);                                            \
    float8 other = __builtin_shufflevector(best[0], best[0], 4, 5, 6, 7, 0, 1, 2, 3);           \
    best[0] = WINNERS(other, best[0], comparison);                                              \
    other = __builtin_shufflevector(best[0], best[0], 2, 3, 0, 1, 6, 7, 4, 5);                  \
    best[0] = WINNERS(other, best[0], comparison);                                              \
    return best[0][1] comparison best[0][0] ? best[0][1] : best[0][0];                          \
  }                                                                                             \
  static void name##_reduce(                                                                    \
      float *extremes, const float *values, int64_t row_count, int64_t stride, int64_t count) { \
    for (int64_t row = 0; row < row_count; row++)                                               \
      extremes[row] = name##_of_row(values + row * stride, count);                              \
  }                                                                                             \
  static void name##_accumulate(                                                                \
      float *restrict extremes, const float *restrict values, int64_t count) {                  \
    for (int64_t i = 0; i < count; i++) {                                                       \
      const float x = values[i], best = extremes[i];                                            \
      extremes[i] = ((x comparison best) | (x != x)) ? x : best;                                \
    }                                                                                           \
  }

EXTREME(minimum, __builtin_inff(), <)
EXTREME(maximum, -__builtin_inff(), >)

static const graft_reduce_table reduce_table = {
    .sum = {sum_reduce, sum_accumulate},
    .sum_of_squares = {sum_of_squares_reduce, sum_of_squares_accumulate},
    .sum_of_magnitudes = {sum_of_magnitudes_reduce, sum_of_magnitudes_accumulate},
    .minimum = {minimum_reduce, minimum_accumulate},
    .maximum = {maximum_reduce, maximum_accumulate},
};

#undef EXTREME
#undef WINNERS
#undef SUM
