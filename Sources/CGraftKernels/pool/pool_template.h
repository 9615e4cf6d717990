// The pooling kernels over the vector operations of one instruction set.
//
// A window is reduced in two steps: its rows to one row, element by element, then the columns of
// that row. All variants use the same order, so that their results are bit-identical.

#include "row_width.h"

GRAFT_INLINE vector fold(vector a, vector b, int is_maximum) {
  return is_maximum ? maximum(a, b) : add(a, b);
}

GRAFT_INLINE float fold_one(float a, float b, int is_maximum) {
  if (!is_maximum) return a + b;
  return b > a || b != b ? b : a;
}

/// Reduces `count` rows, `step` apart, to `row`.
GRAFT_INLINE void fold_rows(
    const float *x, int64_t step, int64_t count, int64_t width, float *row, int is_maximum) {
  int64_t column = 0;
  for (; column + VECTOR_LANES <= width; column += VECTOR_LANES) {
    const float *element = x + column;
    vector folded = load(element);
    for (int64_t i = 1; i < count; i++) {
      element += step;
      folded = fold(folded, load(element), is_maximum);
    }
    store(row + column, folded);
  }
  const int64_t rest = width - column;
  if (rest > 0) {
    const float *element = x + column;
    vector folded = load_first(element, rest, 0);
    for (int64_t i = 1; i < count; i++) {
      element += step;
      folded = fold(folded, load_first(element, rest, 0), is_maximum);
    }
    store_first(row + column, rest, folded);
  }
}

/// Reduces the columns of VECTOR_LANES windows that are one or two apart.
GRAFT_INLINE vector fold_columns(const graft_pool *pool, const float *row, int is_maximum) {
  const int64_t step = pool->dilation_width, count = pool->kernel_width;
  vector folded;
  if (pool->stride_width == 1) {
    folded = load(row);
    for (int64_t i = 1; i < count; i++) folded = fold(folded, load(row + i * step), is_maximum);
  } else {
    folded = load_even(row);
    for (int64_t i = 1; i < count; i++) {
      folded = fold(folded, load_even(row + i * step), is_maximum);
    }
  }
  return folded;
}

/// Reduces the columns of one window.
GRAFT_INLINE float fold_window(const graft_pool *pool, const float *row, int is_maximum) {
  float folded = row[0];
  for (int64_t i = 1; i < pool->kernel_width; i++) {
    folded = fold_one(folded, row[i * pool->dilation_width], is_maximum);
  }
  return folded;
}

/// The number of taps, of `kernel` from `start` on, that are in `begin ..< end`.
static int64_t count_taps(
    int64_t start, int64_t kernel, int64_t dilation, int64_t begin, int64_t end, int64_t *first) {
  *first = start < begin ? (begin - start + dilation - 1) / dilation : 0;
  int64_t past = start < end ? (end - 1 - start) / dilation + 1 : 0;
  if (past > kernel) past = kernel;
  return past > *first ? past - *first : 0;
}

GRAFT_INLINE void pool_rows(
    const graft_pool *pool, const float *x, float *y, int64_t first_row, int64_t past_row,
    float *scratch, int is_maximum) {
  const int64_t input_width = pool->input_width, output_width = pool->output_width;
  const int64_t row_width = graft_pool_row_width(pool) + 2 * GRAFT_POOL_SLACK;
  const float nothing = is_maximum ? -INFINITY : 0;
  float *const row = scratch, *const column_counts = scratch + row_width;
  float *const row_interior = row + pool->pad_left;
  for (int64_t i = 0; i < row_width; i++) row[i] = nothing;
  int64_t first_tap;
  if (!is_maximum) {
    const int64_t begin = pool->counts_padding ? -pool->pad_left : 0;
    const int64_t end = input_width + (pool->counts_padding ? pool->pad_right : 0);
    for (int64_t i = 0; i < output_width; i++) {
      column_counts[i] = (float)count_taps(
          i * pool->stride_width - pool->pad_left, pool->kernel_width, pool->dilation_width, begin,
          end, &first_tap);
    }
    for (int64_t i = 0; i < GRAFT_POOL_SLACK; i++) column_counts[output_width + i] = 1;
  }
  const int is_vectorized = pool->stride_width <= 2;

  for (int64_t index = first_row; index < past_row; index++) {
    const float *plane = x + index / pool->output_height * pool->input_height * input_width;
    float *const output = y + index * output_width;
    const int64_t top = index % pool->output_height * pool->stride_height - pool->pad_top;
    const int64_t row_count = count_taps(
        top, pool->kernel_height, pool->dilation_height, 0, pool->input_height, &first_tap);
    if (row_count == 0) {
      for (int64_t i = 0; i < output_width; i++) output[i] = nothing;
      continue;
    }
    fold_rows(
        plane + (top + first_tap * pool->dilation_height) * input_width,
        pool->dilation_height * input_width, row_count, input_width, row_interior, is_maximum);

    float divisor = (float)row_count;
    if (!is_maximum && pool->counts_padding) {
      divisor = (float)count_taps(
          top, pool->kernel_height, pool->dilation_height, -pool->pad_top,
          pool->input_height + pool->pad_bottom, &first_tap);
    }
    int64_t column = 0;
    if (is_vectorized) {
      for (; column < output_width; column += VECTOR_LANES) {
        vector folded = fold_columns(pool, row + column * pool->stride_width, is_maximum);
        if (!is_maximum) {
          const vector counts = multiply(broadcast(divisor), load(column_counts + column));
          folded = divide(folded, maximum(broadcast(1), counts));
        }
        const int64_t rest = output_width - column;
        if (rest < VECTOR_LANES) {
          store_first(output + column, rest, folded);
        } else {
          store(output + column, folded);
        }
      }
    } else {
      for (; column < output_width; column++) {
        const float folded = fold_window(pool, row + column * pool->stride_width, is_maximum);
        const float count = divisor * column_counts[column];
        output[column] = is_maximum ? folded : folded / (count > 1 ? count : 1);
      }
    }
  }
}

static void max_pool(
    const graft_pool *pool, const float *x, float *y, int64_t first_row, int64_t past_row,
    float *scratch) {
  pool_rows(pool, x, y, first_row, past_row, scratch, 1);
}

static void average_pool(
    const graft_pool *pool, const float *x, float *y, int64_t first_row, int64_t past_row,
    float *scratch) {
  pool_rows(pool, x, y, first_row, past_row, scratch, 0);
}

static void global_average_pool(const float *x, float *y, int64_t plane_count, int64_t count) {
  enum { PLANES = 32 };
  double sums[PLANES];
  for (int64_t first = 0; first < plane_count; first += PLANES) {
    const int64_t rest = plane_count - first, planes = rest < PLANES ? rest : PLANES;
    sum_reduce(sums, x + first * count, planes, count, count);
    for (int64_t i = 0; i < planes; i++) y[first + i] = (float)(sums[i] / (double)count);
  }
}

static const graft_pool_table pool_table = {
    .max_pool = max_pool,
    .average_pool = average_pool,
    .global_average_pool = global_average_pool,
};
