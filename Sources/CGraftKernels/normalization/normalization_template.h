// The normalization kernels over the vector operations of one instruction set.

static double sum(const float *x, int64_t count) { return sum_of_floats(x, count); }

static double sum_squared_deviations(const float *x, int64_t count, float mean) {
  const vector center = broadcast(mean);
  double total = 0;
  for (int64_t start = 0; start < count; start += SUM_LENGTH) {
    const int64_t end = count - start < SUM_LENGTH ? count : start + SUM_LENGTH;
    vector even = broadcast(0), odd = broadcast(0);
    int64_t i = start;
    for (; i + 2 * VECTOR_LANES <= end; i += 2 * VECTOR_LANES) {
      const vector first = subtract(load(x + i), center);
      const vector second = subtract(load(x + i + VECTOR_LANES), center);
      even = multiply_add(first, first, even);
      odd = multiply_add(second, second, odd);
    }
    for (; i + VECTOR_LANES <= end; i += VECTOR_LANES) {
      const vector deviation = subtract(load(x + i), center);
      even = multiply_add(deviation, deviation, even);
    }
    if (i < end) {
      const vector deviation = subtract(load_first(x + i, end - i, mean), center);
      odd = multiply_add(deviation, deviation, odd);
    }
    total += sum_of_elements(add(even, odd));
  }
  return total;
}

static void normalize(
    const float *x, float *y, int64_t count, float mean, float scale, float shift) {
  const vector means = broadcast(mean), scales = broadcast(scale), shifts = broadcast(shift);
  int64_t i = 0;
  for (; i + VECTOR_LANES <= count; i += VECTOR_LANES) {
    store(y + i, multiply_add(subtract(load(x + i), means), scales, shifts));
  }
  if (i < count) {
    const vector rest = subtract(load_first(x + i, count - i, 0), means);
    store_first(y + i, count - i, multiply_add(rest, scales, shifts));
  }
}

static void normalize_each(
    const float *x, float *y, int64_t count, float mean, float scale, const float *scales,
    const float *shifts) {
  const vector means = broadcast(mean), factor = broadcast(scale);
  int64_t i = 0;
  for (; i + VECTOR_LANES <= count; i += VECTOR_LANES) {
    const vector normal = multiply(subtract(load(x + i), means), factor);
    const vector shift = shifts ? load(shifts + i) : broadcast(0);
    store(y + i, multiply_add(normal, load(scales + i), shift));
  }
  const int64_t rest = count - i;
  if (rest > 0) {
    const vector normal = multiply(subtract(load_first(x + i, rest, 0), means), factor);
    const vector shift = shifts ? load_first(shifts + i, rest, 0) : broadcast(0);
    store_first(y + i, rest, multiply_add(normal, load_first(scales + i, rest, 0), shift));
  }
}

static void normalize_elements(
    const float *x, float *y, int64_t count, const float *means, const float *scales,
    const float *shifts) {
  int64_t i = 0;
  for (; i + VECTOR_LANES <= count; i += VECTOR_LANES) {
    const vector centered = subtract(load(x + i), load(means + i));
    store(y + i, multiply_add(centered, load(scales + i), load(shifts + i)));
  }
  const int64_t rest = count - i;
  if (rest > 0) {
    const vector centered = subtract(load_first(x + i, rest, 0), load_first(means + i, rest, 0));
    store_first(
        y + i, rest,
        multiply_add(centered, load_first(scales + i, rest, 0), load_first(shifts + i, rest, 0)));
  }
}

static const graft_normalization_table normalization_table = {
    .sum = sum,
    .sum_squared_deviations = sum_squared_deviations,
    .normalize = normalize,
    .normalize_each = normalize_each,
    .normalize_elements = normalize_elements,
};
