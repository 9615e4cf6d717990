// Parts of rows and sums of them, in the operations of one instruction set.

/// The first `count` elements, which may be all.
GRAFT_INLINE vector load_up_to(const float *p, int64_t count) {
  return count < VECTOR_LANES ? load_first(p, count, 0) : load(p);
}

GRAFT_INLINE void store_up_to(float *p, int64_t count, vector x) {
  if (count < VECTOR_LANES)
    store_first(p, count, x);
  else
    store(p, x);
}

// The maximum number of elements that lanes add as floats before adding to doubles.
enum { SUM_LENGTH = 4096 };

GRAFT_INLINE double sum_of_floats(const float *x, int64_t count) {
  double total = 0;
  for (int64_t start = 0; start < count; start += SUM_LENGTH) {
    const int64_t end = count - start < SUM_LENGTH ? count : start + SUM_LENGTH;
    vector even = broadcast(0), odd = broadcast(0);
    int64_t i = start;
    for (; i + 2 * VECTOR_LANES <= end; i += 2 * VECTOR_LANES) {
      even = add(even, load(x + i));
      odd = add(odd, load(x + i + VECTOR_LANES));
    }
    for (; i + VECTOR_LANES <= end; i += VECTOR_LANES) even = add(even, load(x + i));
    if (i < end) odd = add(odd, load_first(x + i, end - i, 0));
    total += sum_of_elements(add(even, odd));
  }
  return total;
}
