// Products and distances of rows, in double precision. The vectors, and the sum of
// one, are those of the reductions.

GRAFT_INLINE double8 widened_floats(const float *p) {
  return __builtin_convertvector(*(const float8 *)p, double8);
}

GRAFT_INLINE double8 loaded_doubles(const double *p) { return *(const double8 *)p; }

static void similarity_products(
    const double *x, const float *rows, int64_t row_count, int64_t length, double *results) {
  for (int64_t row = 0; row < row_count; row++, rows += length) {
    double8 even = {0}, odd = {0};
    int64_t i = 0;
    for (; i + 16 <= length; i += 16) {
      even += loaded_doubles(x + i) * widened_floats(rows + i);
      odd += loaded_doubles(x + i + 8) * widened_floats(rows + i + 8);
    }
    double rest = 0;
    for (; i < length; i++) rest += x[i] * (double)rows[i];
    results[row] = sum_of_lanes(even + odd) + rest;
  }
}

static void similarity_squared_distances(
    const double *x, const float *rows, int64_t row_count, int64_t length, double *results) {
  for (int64_t row = 0; row < row_count; row++, rows += length) {
    double8 even = {0}, odd = {0};
    int64_t i = 0;
    for (; i + 16 <= length; i += 16) {
      const double8 first = loaded_doubles(x + i) - widened_floats(rows + i);
      const double8 second = loaded_doubles(x + i + 8) - widened_floats(rows + i + 8);
      even += first * first;
      odd += second * second;
    }
    double rest = 0;
    for (; i < length; i++) {
      const double difference = x[i] - (double)rows[i];
      rest += difference * difference;
    }
    results[row] = sum_of_lanes(even + odd) + rest;
  }
}

static const graft_similarity_table similarity_table = {
    .products = similarity_products,
    .squared_distances = similarity_squared_distances,
};
