// The softmax kernels over the vector operations of one instruction set.

/// e to the power of `x`, for `x` up to 0, within 2 ULP; NaN for NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 q(r), where q is a polynomial that
/// interpolates at Chebyshev's nodes.
GRAFT_INLINE vector exponential(vector x) {
  // Below it, the result rounds to 0.
  const vector lowest = broadcast(-104);
  const vector n = nearest_integer(multiply(larger(lowest, x), broadcast(0x1.715476p+0f)));
  // ln 2 in two parts; n times the first is exact.
  vector r = multiply_add(n, broadcast(-0x1.63p-1f), x);
  r = multiply_add(n, broadcast(0x1.bd0106p-13f), r);
  vector q = broadcast(0x1.6d117cp-10f);
  q = multiply_add(q, r, broadcast(0x1.120be2p-7f));
  q = multiply_add(q, r, broadcast(0x1.555518p-5f));
  q = multiply_add(q, r, broadcast(0x1.5554dcp-3f));
  q = multiply_add(q, r, broadcast(0.5f));
  const vector power = add(multiply_add(q, multiply(r, r), r), broadcast(1));
  return zero_below(scale_by_power_of_two(power, n), x, lowest);
}

/// The largest of the elements that are not NaN. A NaN makes the sum of powers NaN, and so all
/// results.
GRAFT_INLINE float largest_of_row(const float *x, int64_t length) {
  vector largest = broadcast(-INFINITY), second = largest, third = largest, fourth = largest;
  int64_t i = 0;
  for (; i + 4 * VECTOR_LANES <= length; i += 4 * VECTOR_LANES) {
    largest = larger(load(x + i), largest);
    second = larger(load(x + i + VECTOR_LANES), second);
    third = larger(load(x + i + 2 * VECTOR_LANES), third);
    fourth = larger(load(x + i + 3 * VECTOR_LANES), fourth);
  }
  for (; i + VECTOR_LANES <= length; i += VECTOR_LANES) largest = larger(load(x + i), largest);
  if (i < length) second = larger(load_first(x + i, length - i, -INFINITY), second);
  return largest_element(larger(larger(largest, second), larger(third, fourth)));
}

// The maximum number of elements that a column adds as floats before adding to sums of sums.
enum { COLUMN_SUM_LENGTH = 256 };

/// The sum of exp(x - largest); also stores the summands, unless `y` is null.
GRAFT_INLINE float sum_of_powers(const float *x, float *y, int64_t length, vector largest) {
  double total = 0;
  for (int64_t start = 0; start < length; start += SUM_LENGTH) {
    const int64_t end = length - start < SUM_LENGTH ? length : start + SUM_LENGTH;
    vector sum = broadcast(0), odd = sum;
    int64_t i = start;
    for (; i + 2 * VECTOR_LANES <= end; i += 2 * VECTOR_LANES) {
      const vector power = exponential(subtract(load(x + i), largest));
      const vector next = exponential(subtract(load(x + i + VECTOR_LANES), largest));
      sum = add(sum, power);
      odd = add(odd, next);
      if (y) {
        store(y + i, power);
        store(y + i + VECTOR_LANES, next);
      }
    }
    for (; i + VECTOR_LANES <= end; i += VECTOR_LANES) {
      const vector power = exponential(subtract(load(x + i), largest));
      sum = add(sum, power);
      if (y) store(y + i, power);
    }
    if (i < end) {
      const vector rest = load_first(x + i, end - i, -INFINITY);
      const vector power = exponential(subtract(rest, largest));
      odd = add(odd, zero_below(power, rest, broadcast(-FLT_MAX)));
      if (y) store_first(y + i, end - i, power);
    }
    total += sum_of_elements(add(sum, odd));
  }
  return (float)total;
}

// The passes over several rows are interleaved, so that one row need not wait for the sum of
// another's lanes.
enum { ROWS_AT_ONCE = 4 };

static void softmax_rows(const float *x, float *y, const int64_t row_count, int64_t length) {
  float largest[ROWS_AT_ONCE], scales[ROWS_AT_ONCE];
  for (int64_t row = 0; row < row_count; row++)
    largest[row] = largest_of_row(x + row * length, length);
  for (int64_t row = 0; row < row_count; row++) {
    const int64_t start = row * length;
    scales[row] = 1 / sum_of_powers(x + start, y + start, length, broadcast(largest[row]));
  }
  for (int64_t row = 0; row < row_count; row++, y += length) {
    const vector scale = broadcast(scales[row]);
    int64_t i = 0;
    for (; i + VECTOR_LANES <= length; i += VECTOR_LANES)
      store(y + i, multiply(load(y + i), scale));
    if (i < length) {
      store_first(y + i, length - i, multiply(load_first(y + i, length - i, 0), scale));
    }
  }
}

static void log_softmax_row(const float *x, float *y, int64_t length) {
  const vector largest = broadcast(largest_of_row(x, length));
  const vector logarithm = broadcast(logf(sum_of_powers(x, NULL, length, largest)));
  int64_t i = 0;
  for (; i + VECTOR_LANES <= length; i += VECTOR_LANES) {
    store(y + i, subtract(subtract(load(x + i), largest), logarithm));
  }
  if (i < length) {
    const vector rest = load_first(x + i, length - i, 0);
    store_first(y + i, length - i, subtract(subtract(rest, largest), logarithm));
  }
}

GRAFT_INLINE vector logarithm_of_elements(vector x) {
  float elements[VECTOR_LANES];
  store(elements, x);
  for (int i = 0; i < VECTOR_LANES; i++) elements[i] = logf(elements[i]);
  return load(elements);
}

static void rows(
    const float *x, float *y, int64_t row_count, int64_t length, int32_t is_logarithm) {
  if (is_logarithm) {
    for (int64_t row = 0; row < row_count; row++)
      log_softmax_row(x + row * length, y + row * length, length);
    return;
  }
  for (int64_t row = 0; row < row_count; row += ROWS_AT_ONCE) {
    const int64_t left = row_count - row, start = row * length;
    softmax_rows(x + start, y + start, left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE, length);
  }
}

/// Like `sum_of_powers`, for each of the first `count` columns.
GRAFT_INLINE vector sum_of_column_powers(
    const float *x, float *y, int64_t count, int64_t length, int64_t stride, vector largest) {
  vector total = broadcast(0);
  for (int64_t start = 0; start < length; start += COLUMN_SUM_LENGTH) {
    const int64_t end = length - start < COLUMN_SUM_LENGTH ? length : start + COLUMN_SUM_LENGTH;
    vector sum = broadcast(0);
    for (int64_t i = start; i < end; i++) {
      const vector power = exponential(subtract(load_up_to(x + i * stride, count), largest));
      sum = add(sum, power);
      if (y) store_up_to(y + i * stride, count, power);
    }
    total = add(total, sum);
  }
  return total;
}

static void columns(
    const float *x, float *y, int64_t column_count, int64_t length, int64_t stride,
    int32_t is_logarithm) {
  for (int64_t column = 0; column < column_count; column += VECTOR_LANES) {
    const int64_t count =
        column_count - column < VECTOR_LANES ? column_count - column : VECTOR_LANES;
    const float *from = x + column;
    float *to = y + column;
    vector largest = broadcast(-INFINITY);
    for (int64_t i = 0; i < length; i++) {
      largest = larger(load_up_to(from + i * stride, count), largest);
    }
    if (is_logarithm) {
      const vector logarithm =
          logarithm_of_elements(sum_of_column_powers(from, NULL, count, length, stride, largest));
      for (int64_t i = 0; i < length; i++) {
        const vector shifted = subtract(load_up_to(from + i * stride, count), largest);
        store_up_to(to + i * stride, count, subtract(shifted, logarithm));
      }
    } else {
      const vector scale =
          divide(broadcast(1), sum_of_column_powers(from, to, count, length, stride, largest));
      for (int64_t i = 0; i < length; i++) {
        const vector power = load_up_to(to + i * stride, count);
        store_up_to(to + i * stride, count, multiply(power, scale));
      }
    }
  }
}

static const graft_softmax_table softmax_table = {
    .rows = rows,
    .columns = columns,
};
