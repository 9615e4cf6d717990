// The kernels of one instruction set. Included once per set by reduce.c, which defines
// TARGET (the function attribute), NAME(function) and the vector types.

// Four vectors of eight doubles hide the latency of an addition.
#define SUM(name, vector_term, scalar_term)                                                 \
  TARGET static double NAME(name##_reduce)(const float *values, int64_t count) {            \
    double8 sums[4] = {{0}};                                                                \
    int64_t i = 0;                                                                          \
    for (; i + 32 <= count; i += 32) {                                                      \
      for (int part = 0; part < 4; part++) {                                                \
        const double8 x =                                                                   \
            __builtin_convertvector(*(const float8 *)(values + i + 8 * part), double8);     \
        sums[part] += vector_term;                                                          \
      }                                                                                     \
    }                                                                                       \
    const double8 lanes = (sums[0] + sums[1]) + (sums[2] + sums[3]);                        \
    double sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +                          \
                 ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));                           \
    for (; i < count; i++) {                                                                \
      const double x = values[i];                                                           \
      sum += scalar_term;                                                                   \
    }                                                                                       \
    return sum;                                                                             \
  }                                                                                         \
  TARGET static void NAME(name##_accumulate)(double *restrict sums,                         \
                                             const float *restrict values, int64_t count) { \
    for (int64_t i = 0; i < count; i++) {                                                   \
      const double x = values[i];                                                           \
      sums[i] += scalar_term;                                                               \
    }                                                                                       \
  }

SUM(sum, x, x)
SUM(sum_of_squares, x *x, x *x)
SUM(sum_of_magnitudes, (double8)((long8)x & INT64_MAX), __builtin_fabs(x))

#define EXTREME(name, start, comparison)                                                      \
  TARGET static float NAME(name##_reduce)(const float *values, int64_t count) {               \
    float8 best[4];                                                                           \
    for (int part = 0; part < 4; part++) best[part] = (float8){0} + start;                    \
    int64_t i = 0;                                                                            \
    for (; i + 32 <= count; i += 32) {                                                        \
      for (int part = 0; part < 4; part++) {                                                  \
        const float8 x = *(const float8 *)(values + i + 8 * part);                            \
        const int8 wins = (x comparison best[part]) | (x != x);                               \
        best[part] = (float8)(((int8)x & wins) | ((int8)best[part] & ~wins));                 \
      }                                                                                       \
    }                                                                                         \
    float extreme = start;                                                                    \
    for (int lane = 0; lane < 32; lane++) {                                                   \
      const float x = best[lane / 8][lane % 8];                                               \
      if (x comparison extreme || x != x) extreme = x;                                        \
    }                                                                                         \
    for (; i < count; i++) {                                                                  \
      const float x = values[i];                                                              \
      if (x comparison extreme || x != x) extreme = x;                                        \
    }                                                                                         \
    return extreme;                                                                           \
  }                                                                                           \
  TARGET static void NAME(name##_accumulate)(float *restrict extremes,                        \
                                             const float *restrict values, int64_t count) {   \
    for (int64_t i = 0; i < count; i++) {                                                     \
      const float x = values[i], best = extremes[i];                                          \
      extremes[i] = ((x comparison best) | (x != x)) ? x : best;                              \
    }                                                                                         \
  }

EXTREME(minimum, __builtin_inff(), <)
EXTREME(maximum, -__builtin_inff(), >)

static const graft_reduce_table NAME(table) = {
    .sum = {NAME(sum_reduce), NAME(sum_accumulate)},
    .sum_of_squares = {NAME(sum_of_squares_reduce), NAME(sum_of_squares_accumulate)},
    .sum_of_magnitudes = {NAME(sum_of_magnitudes_reduce), NAME(sum_of_magnitudes_accumulate)},
    .minimum = {NAME(minimum_reduce), NAME(minimum_accumulate)},
    .maximum = {NAME(maximum_reduce), NAME(maximum_accumulate)},
};

#undef EXTREME
#undef SUM
#undef NAME
#undef TARGET
