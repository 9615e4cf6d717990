// The normalization kernels over the vector operations of one instruction set. The including file
// names the table to define as GRAFT_NORMALIZATION_TABLE.
#include "normalization_table.h"

// Lanes add floats for at most so many elements before they go into a double.
enum { BLOCK_LENGTH = 4096 };

GRAFT_TARGET static double sum(const float *x, int64_t count) {
  double total = 0;
  for (int64_t start = 0; start < count; start += BLOCK_LENGTH) {
    const int64_t end = count - start < BLOCK_LENGTH ? count : start + BLOCK_LENGTH;
    vector even = broadcast(0), odd = broadcast(0);
    int64_t i = start;
    for (; i + 2 * GRAFT_WIDTH <= end; i += 2 * GRAFT_WIDTH) {
      even = add(even, load(x + i));
      odd = add(odd, load(x + i + GRAFT_WIDTH));
    }
    for (; i + GRAFT_WIDTH <= end; i += GRAFT_WIDTH) even = add(even, load(x + i));
    if (i < end) odd = add(odd, load_first(x + i, end - i, 0));
    total += sum_of_elements(add(even, odd));
  }
  return total;
}

GRAFT_TARGET static double sum_squared_deviations(const float *x, int64_t count, float mean) {
  const vector center = broadcast(mean);
  double total = 0;
  for (int64_t start = 0; start < count; start += BLOCK_LENGTH) {
    const int64_t end = count - start < BLOCK_LENGTH ? count : start + BLOCK_LENGTH;
    vector even = broadcast(0), odd = broadcast(0);
    int64_t i = start;
    for (; i + 2 * GRAFT_WIDTH <= end; i += 2 * GRAFT_WIDTH) {
      const vector first = subtract(load(x + i), center);
      const vector second = subtract(load(x + i + GRAFT_WIDTH), center);
      even = multiply_add(first, first, even);
      odd = multiply_add(second, second, odd);
    }
    for (; i + GRAFT_WIDTH <= end; i += GRAFT_WIDTH) {
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

GRAFT_TARGET static void normalize(
    const float *x, float *y, int64_t count, float mean, float scale, float shift) {
  const vector means = broadcast(mean), scales = broadcast(scale), shifts = broadcast(shift);
  int64_t i = 0;
  for (; i + GRAFT_WIDTH <= count; i += GRAFT_WIDTH) {
    store(y + i, multiply_add(subtract(load(x + i), means), scales, shifts));
  }
  if (i < count) {
    const vector rest = subtract(load_first(x + i, count - i, 0), means);
    store_first(y + i, count - i, multiply_add(rest, scales, shifts));
  }
}

GRAFT_TARGET static void normalize_each(
    const float *x, float *y, int64_t count, float mean, float scale, const float *scales,
    const float *shifts) {
  const vector means = broadcast(mean), factor = broadcast(scale);
  int64_t i = 0;
  for (; i + GRAFT_WIDTH <= count; i += GRAFT_WIDTH) {
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

GRAFT_TARGET static void normalize_elements(
    const float *x, float *y, int64_t count, const float *means, const float *scales,
    const float *shifts) {
  int64_t i = 0;
  for (; i + GRAFT_WIDTH <= count; i += GRAFT_WIDTH) {
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

const graft_normalization_table GRAFT_NORMALIZATION_TABLE = {
    .sum = sum,
    .sum_squared_deviations = sum_squared_deviations,
    .normalize = normalize,
    .normalize_each = normalize_each,
    .normalize_elements = normalize_elements,
};
