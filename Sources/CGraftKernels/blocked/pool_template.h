// Pools of the blocked layout: each lane is its own channel.
//
// A window's columns are reduced from top to bottom, then the results from left to right, so that
// sums have the same bits as those of pool/pool_template.h.

#include "windows.h"

// The outputs that share the reductions of their columns, as far as these fit into the registers.
#define WINDOWS_TOGETHER (BLOCKED_ROWS > 6 ? 4 : 2)
// For windows of 3 columns with a stride of 2.
#define MAXIMUM_COLUMNS ((WINDOWS_TOGETHER - 1) * 2 + 3)

GRAFT_INLINE block fold_pair(block x, block y, const int is_maximum) {
  return is_maximum ? larger_block(x, y) : x + y;
}

/// Reduces the rows of one column.
GRAFT_INLINE block
fold_column(const float *x, ptrdiff_t row_step, const ptrdiff_t row_count, const int is_maximum) {
  block folded = load_block(x);
  for (ptrdiff_t i = 1; i < row_count; i++)
    folded = fold_pair(folded, load_block(x + i * row_step), is_maximum);
  return folded;
}

/// Reduces some columns that are `column_step` apart.
GRAFT_INLINE block fold_block_window(
    const float *x, ptrdiff_t row_step, const ptrdiff_t row_count, ptrdiff_t column_step,
    const ptrdiff_t column_count, const int is_maximum) {
  block folded = fold_column(x, row_step, row_count, is_maximum);
  for (ptrdiff_t i = 1; i < column_count; i++)
    folded = fold_pair(
        folded, fold_column(x + i * column_step, row_step, row_count, is_maximum), is_maximum);
  return folded;
}

/// The divisor of an average. Floats, since products may exceed integers.
GRAFT_INLINE float window_size(float row_count, float column_count) {
  const float count = row_count * column_count;
  return count > 1 ? count : 1;
}

/// Taps that count for the divisor of an average.
static float counted_taps(
    ptrdiff_t start, ptrdiff_t kernel, ptrdiff_t dilation, ptrdiff_t extent, ptrdiff_t pad_begin,
    ptrdiff_t pad_end, int counts_padding) {
  const index_range taps =
      counts_padding
          ? taps_inside(start + pad_begin, kernel, dilation, extent + pad_begin + pad_end)
          : taps_inside(start, kernel, dilation, extent);
  return (float)(taps.past - taps.first);
}

/// One row of an output.
typedef struct {
  const graft_pool *pool;
  /// The first row inside the input that the windows cover (its first element), the distance of
  /// rows, and their number.
  const float *input;
  ptrdiff_t row_step, row_count;
  float counted_rows;
  float *output;
} pool_row;

/// Computes one output.
GRAFT_INLINE void pool_window(const pool_row *row, ptrdiff_t column, const int is_maximum) {
  const graft_pool *pool = row->pool;
  const ptrdiff_t left = column * pool->stride_width - pool->pad_left;
  const index_range taps =
      taps_inside(left, pool->kernel_width, pool->dilation_width, pool->input_width);
  float *output = row->output + column * GRAFT_BLOCK;
  if (row->row_count == 0 || taps.first == taps.past) {
    store_block(output, is_maximum ? -INFINITY : 0);
    return;
  }
  const block folded = fold_block_window(
      row->input + (left + taps.first * pool->dilation_width) * GRAFT_BLOCK, row->row_step,
      row->row_count, pool->dilation_width * GRAFT_BLOCK, taps.past - taps.first, is_maximum);
  const block size = window_size(
      row->counted_rows, counted_taps(
                             left, pool->kernel_width, pool->dilation_width, pool->input_width,
                             pool->pad_left, pool->pad_right, pool->counts_padding));
  store_block(output, is_maximum ? folded : folded / size);
}

/// Like fold_pair, without a check for NaN.
GRAFT_INLINE block fold_numbers(block x, block y, const int is_maximum) {
  return is_maximum ? (y > x ? y : x) : x + y;
}

/// Computes WINDOWS_TOGETHER outputs, whose windows of `kernel` columns share their overlap.
/// Returns false if the results are wrong because a window contains NaN.
GRAFT_INLINE int pool_together(
    const pool_row *row, ptrdiff_t column, const ptrdiff_t kernel, const ptrdiff_t stride,
    const int is_maximum) {
  const ptrdiff_t column_count = (WINDOWS_TOGETHER - 1) * stride + kernel;
  const float *x = row->input + (column * stride - row->pool->pad_left) * GRAFT_BLOCK;
  // Sums of all elements, which are NaN if one of these is.
  block columns[MAXIMUM_COLUMNS], sums[WINDOWS_TOGETHER] = {0};
#pragma clang loop unroll(full)
  for (ptrdiff_t j = 0; j < column_count; j++) {
    columns[j] = load_block(x + j * GRAFT_BLOCK);
    if (is_maximum) sums[j % WINDOWS_TOGETHER] += columns[j];
  }
  for (ptrdiff_t i = 1; i < row->row_count; i++) {
    x += row->row_step;
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 0; j < column_count; j++) {
      const block element = load_block(x + j * GRAFT_BLOCK);
      columns[j] = fold_numbers(columns[j], element, is_maximum);
      if (is_maximum) sums[j % WINDOWS_TOGETHER] += element;
    }
  }
  const block size = window_size(row->counted_rows, (float)kernel);
#pragma clang loop unroll(full)
  for (ptrdiff_t o = 0; o < WINDOWS_TOGETHER; o++) {
    block folded = columns[o * stride];
#pragma clang loop unroll(full)
    for (ptrdiff_t j = 1; j < kernel; j++)
      folded = fold_numbers(folded, columns[o * stride + j], is_maximum);
    store_block(row->output + (column + o) * GRAFT_BLOCK, is_maximum ? folded : folded / size);
  }
  block sum = sums[0];
#pragma clang loop unroll(full)
  for (int i = 1; i < WINDOWS_TOGETHER; i++) sum += sums[i];
  return !__builtin_reduce_or(sum != sum);
}

/// Computes outputs whose windows are inside the row.
GRAFT_INLINE void pool_interior(
    const pool_row *row, index_range columns, const ptrdiff_t kernel, const ptrdiff_t stride,
    const int is_maximum) {
  for (ptrdiff_t i = columns.first; i < columns.past; i += WINDOWS_TOGETHER) {
    // The last ones are computed together with some of those before them.
    const ptrdiff_t last = columns.past - WINDOWS_TOGETHER;
    const ptrdiff_t column = i < last ? i : last;
    if (pool_together(row, column, kernel, stride, is_maximum)) continue;
    for (ptrdiff_t j = 0; j < WINDOWS_TOGETHER; j++) pool_window(row, column + j, is_maximum);
  }
}

/// Computes all outputs of a row, some of whose windows are inside it.
GRAFT_INLINE void pool_columns(const pool_row *row, index_range interior, const int is_maximum) {
  const ptrdiff_t kernel = row->pool->kernel_width, stride = row->pool->stride_width;
  const ptrdiff_t width = row->pool->output_width;
  const int is_common = row->pool->dilation_width == 1 && row->row_count > 0 &&
                        interior.past - interior.first >= WINDOWS_TOGETHER;
  if (is_common && kernel == 3 && stride == 1)
    pool_interior(row, interior, 3, 1, is_maximum);
  else if (is_common && kernel == 3 && stride == 2)
    pool_interior(row, interior, 3, 2, is_maximum);
  else if (is_common && kernel == 2 && stride == 2)
    pool_interior(row, interior, 2, 2, is_maximum);
  else
    interior.past = interior.first;
  for (ptrdiff_t i = 0; i < interior.first; i++) pool_window(row, i, is_maximum);
  for (ptrdiff_t i = interior.past; i < width; i++) pool_window(row, i, is_maximum);
}

GRAFT_INLINE void pool_block_rows(
    const graft_pool *pool, const float *x, float *y, ptrdiff_t first_row, ptrdiff_t past_row,
    const int is_maximum) {
  const ptrdiff_t row_size = pool->input_width * GRAFT_BLOCK;
  const index_range interior = outputs_inside(
      -pool->pad_left, pool->stride_width, (pool->kernel_width - 1) * pool->dilation_width + 1,
      pool->input_width, pool->output_width);
  for (ptrdiff_t index = first_row; index < past_row; index++) {
    const ptrdiff_t plane = index / pool->output_height;
    const ptrdiff_t top = index % pool->output_height * pool->stride_height - pool->pad_top;
    const index_range taps =
        taps_inside(top, pool->kernel_height, pool->dilation_height, pool->input_height);
    const ptrdiff_t first_row_inside =
        plane * pool->input_height + top + taps.first * pool->dilation_height;
    const pool_row row = {
        .pool = pool,
        .input = x + first_row_inside * row_size,
        .row_step = pool->dilation_height * row_size,
        .row_count = taps.past - taps.first,
        .counted_rows = counted_taps(
            top, pool->kernel_height, pool->dilation_height, pool->input_height, pool->pad_top,
            pool->pad_bottom, pool->counts_padding),
        .output = y + index * pool->output_width * GRAFT_BLOCK,
    };
    pool_columns(&row, interior, is_maximum);
  }
}

static void max_pool_blocks(
    const graft_pool *pool, const float *x, float *y, ptrdiff_t first_row, ptrdiff_t past_row) {
  pool_block_rows(pool, x, y, first_row, past_row, 1);
}

static void average_pool_blocks(
    const graft_pool *pool, const float *x, float *y, ptrdiff_t first_row, ptrdiff_t past_row) {
  pool_block_rows(pool, x, y, first_row, past_row, 0);
}

// The positions that a float adds up before it is added to a double.
enum { POSITIONS_PER_SUM = 64 };

static void global_average_pool_blocks(
    const float *x, float *y, ptrdiff_t plane_count, ptrdiff_t count) {
  for (ptrdiff_t plane = 0; plane < plane_count; plane++, x += count * GRAFT_BLOCK) {
    wide_block total = 0;
    for (ptrdiff_t start = 0; start < count; start += 4 * POSITIONS_PER_SUM) {
      const ptrdiff_t rest = count - start;
      const ptrdiff_t end = rest < 4 * POSITIONS_PER_SUM ? count : start + 4 * POSITIONS_PER_SUM;
      block sums[4] = {0};
      ptrdiff_t i = start;
      for (; i + 4 <= end; i += 4)
#pragma clang loop unroll(full)
        for (int j = 0; j < 4; j++) sums[j] += load_block(x + (i + j) * GRAFT_BLOCK);
      for (; i < end; i++) sums[0] += load_block(x + i * GRAFT_BLOCK);
      const block sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      total += __builtin_convertvector(sum, wide_block);
    }
    const wide_block mean = total / (double)count;
    store_block(y + plane * GRAFT_BLOCK, __builtin_convertvector(mean, block));
  }
}
