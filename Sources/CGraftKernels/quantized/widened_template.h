// Products of floats with weights of few bits, which are widened part by part: see
// graft_widened_problem. Needs the transposition of gemm_template.h, for floats.

enum {
  /// The depths and panels that are widened at once: they stay in the L1 cache for all rows, and
  /// sums of so many products have small rounding errors.
  WIDENED_DEPTH = 64,
  WIDENED_PANELS = 64 / PANEL,
};

typedef uint8_t packed_panel __attribute__((ext_vector_type(PANEL / 2)));
typedef packed_panel unaligned_packed_panel __attribute__((aligned(1)));
typedef uint8_t unpacked_panel __attribute__((ext_vector_type(PANEL)));
typedef unpacked_panel unaligned_unpacked_panel __attribute__((aligned(1)));
typedef float widened_vector __attribute__((ext_vector_type(INTEGER_LANES)));
typedef widened_vector unaligned_widened_vector __attribute__((aligned(1)));
typedef float unaligned_weight_factor __attribute__((aligned(1)));

/// A panel's worth of adjacent integers from one on, which is an even one where two share a byte.
/// `integer` is constant when inlined.
GRAFT_INLINE panel_integers
adjacent_integers(const void *integers, ptrdiff_t first, const int32_t integer) {
  if (integer == GRAFT_INTEGER_U8)
    return __builtin_convertvector(
        *(const unaligned_unpacked_panel *)((const char *)integers + first), panel_integers);
  if (integer == GRAFT_INTEGER_I8)
    return __builtin_convertvector(
        *(const unaligned_panel_bytes *)((const char *)integers + first), panel_integers);
  const packed_panel pairs = *(const unaligned_packed_panel *)((const char *)integers + first / 2);
  const packed_panel low = pairs & 15, high = pairs >> 4;
  unpacked_panel single;
#if VECTOR_BYTES == 64
  single = __builtin_shufflevector(
      low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11,
      27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif VECTOR_BYTES == 32
  single = __builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  single = __builtin_shufflevector(low, high, 0, 4, 1, 5, 2, 6, 3, 7);
#endif
  const panel_integers wide = __builtin_convertvector(single, panel_integers);
  return integer == GRAFT_INTEGER_I4 ? (wide ^ 8) - 8 : wide;
}

/// An integer by its index.
GRAFT_INLINE int32_t single_integer(const void *integers, ptrdiff_t index, const int32_t integer) {
  if (integer == GRAFT_INTEGER_U8) return ((const uint8_t *)integers)[index];
  if (integer == GRAFT_INTEGER_I8) return ((const int8_t *)integers)[index];
  const int32_t nibble = ((const uint8_t *)integers)[index / 2] >> (index % 2 * 4) & 15;
  return integer == GRAFT_INTEGER_I4 ? (nibble ^ 8) - 8 : nibble;
}

GRAFT_INLINE int32_t zero_point(const graft_widened_problem *p, ptrdiff_t index) {
  return p->zero_points ? p->zero_points[index] : 0;
}

/// The index of the scale for a place along an axis.
GRAFT_INLINE ptrdiff_t scale_index(ptrdiff_t place, ptrdiff_t block, ptrdiff_t stride) {
  if (stride == 0) return 0;
  return (block == 1 ? place : place / block) * stride;
}

/// The place where the scale changes next along an axis, at most `end`.
GRAFT_INLINE ptrdiff_t
scale_end(ptrdiff_t place, ptrdiff_t block, ptrdiff_t stride, ptrdiff_t end) {
  if (stride == 0) return end;
  const ptrdiff_t next = block == 1 ? place + 1 : place / block * block + block;
  return next < end ? next : end;
}

/// Widens adjacent integers one by one. Their scales change along them.
GRAFT_INLINE void widen_singly(
    const graft_widened_problem *p, ptrdiff_t first, ptrdiff_t count, ptrdiff_t place,
    ptrdiff_t block, ptrdiff_t stride, ptrdiff_t scale, float *y, const int32_t integer) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const ptrdiff_t index = scale + scale_index(place + i, block, stride);
    const int32_t x = single_integer(p->b, first + i, integer) - zero_point(p, index);
    y[i] = (float)x * p->scales[index];
  }
}

/// Widens some depths of a panel whose columns are adjacent.
GRAFT_INLINE void widen_columns(
    const graft_widened_problem *p, ptrdiff_t first_depth, ptrdiff_t depth, ptrdiff_t column,
    ptrdiff_t columns, float *panel, const int32_t integer) {
  const ptrdiff_t end = first_depth + depth;
  for (ptrdiff_t k = first_depth; k < end;) {
    const ptrdiff_t scale = scale_index(k, p->depth_block, p->depth_scale_stride);
    const ptrdiff_t run_end = scale_end(k, p->depth_block, p->depth_scale_stride, end);
    const int is_each = p->column_scale_stride == 1 && p->column_block == 1;
    if (columns < PANEL || (p->column_scale_stride != 0 && !is_each)) {
      for (; k < run_end; k++) {
        float *y = panel + (k - first_depth) * PANEL;
        memset(y, 0, PANEL * sizeof *y);
        widen_singly(
            p, k * p->b_depth_stride + column, columns, column, p->column_block,
            p->column_scale_stride, scale, y, integer);
      }
      continue;
    }
    panel_floats scales = p->scales[scale];
    panel_integers zero_points = zero_point(p, scale);
    if (is_each) {
      scales = *(const unaligned_panel_floats *)(p->scales + scale + column);
      if (p->zero_points)
        zero_points = *(const unaligned_panel_integers *)(p->zero_points + scale + column);
    }
    for (; k < run_end; k++) {
      const panel_integers x =
          adjacent_integers(p->b, k * p->b_depth_stride + column, integer) - zero_points;
      *(unaligned_panel_floats *)(panel + (k - first_depth) * PANEL) =
          __builtin_convertvector(x, panel_floats) * scales;
    }
  }
}

/// Widens some adjacent depths of a column.
GRAFT_INLINE void widen_depths(
    const graft_widened_problem *p, ptrdiff_t first_depth, ptrdiff_t depth, ptrdiff_t column,
    float *y, const int32_t integer) {
  const ptrdiff_t base = scale_index(column, p->column_block, p->column_scale_stride);
  const ptrdiff_t first = column * p->b_column_stride, end = first_depth + depth;
  for (ptrdiff_t k = first_depth; k < end;) {
    const ptrdiff_t scale = base + scale_index(k, p->depth_block, p->depth_scale_stride);
    const ptrdiff_t run_end = scale_end(k, p->depth_block, p->depth_scale_stride, end);
    const float factor = p->scales[scale];
    const int32_t zero = zero_point(p, scale);
    // The first of two in a byte is even.
    for (; k + PANEL <= run_end && (first + k) % 2 == 0; k += PANEL) {
      const panel_integers x = adjacent_integers(p->b, first + k, integer) - zero;
      *(unaligned_panel_floats *)(y + k - first_depth) =
          __builtin_convertvector(x, panel_floats) * factor;
    }
    for (; k < run_end; k++)
      y[k - first_depth] = (float)(single_integer(p->b, first + k, integer) - zero) * factor;
  }
}

/// Widens a block of weights to panels: each is depth x PANEL.
GRAFT_INLINE void widen_block_of(
    const graft_widened_problem *p, ptrdiff_t first_depth, ptrdiff_t depth, ptrdiff_t first_column,
    ptrdiff_t columns, float *panels, const int32_t integer) {
  for (ptrdiff_t c = 0; c < columns; c += PANEL) {
    const ptrdiff_t count = columns - c < PANEL ? columns - c : PANEL;
    if (p->b_column_stride == 1) {
      widen_columns(p, first_depth, depth, first_column + c, count, panels + c * depth, integer);
      continue;
    }
    float part[WIDENED_DEPTH * PANEL] __attribute__((aligned(64)));
    for (ptrdiff_t j = 0; j < count; j++)
      widen_depths(p, first_depth, depth, first_column + c + j, part + j * depth, integer);
    transpose_f32(part, depth, count, depth, panels + c * depth, PANEL);
  }
}

static void widen_block(
    const graft_widened_problem *p, ptrdiff_t first_depth, ptrdiff_t depth, ptrdiff_t first_column,
    ptrdiff_t columns, float *panels) {
  switch (p->integer) {
    case GRAFT_INTEGER_U8:
      widen_block_of(p, first_depth, depth, first_column, columns, panels, GRAFT_INTEGER_U8);
      break;
    case GRAFT_INTEGER_I8:
      widen_block_of(p, first_depth, depth, first_column, columns, panels, GRAFT_INTEGER_I8);
      break;
    case GRAFT_INTEGER_U4:
      widen_block_of(p, first_depth, depth, first_column, columns, panels, GRAFT_INTEGER_U4);
      break;
    default: widen_block_of(p, first_depth, depth, first_column, columns, panels, GRAFT_INTEGER_I4);
  }
}

/// Rows of A, a part of their depth, and where their results are.
typedef struct {
  const unaligned_weight_factor *a;
  ptrdiff_t a_stride, depth;
  const float *panel, *addend;
  int is_first;
  float *c;
  ptrdiff_t c_stride;
} widened_tile;

/// Adds the products of a fixed number of rows with a panel.
GRAFT_INLINE void add_widened_rows(
    const widened_tile *tile, ptrdiff_t columns, const ptrdiff_t rows) {
  widened_vector sums[GEMM_ROWS][2];
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++) sums[r][0] = sums[r][1] = 0;
  const ptrdiff_t a_stride = tile->a_stride;
  const unaligned_weight_factor *a = tile->a;
  for (ptrdiff_t k = 0; k < tile->depth; k++) {
    const float *weights = tile->panel + k * PANEL;
    const widened_vector low = *(const unaligned_widened_vector *)weights;
    const widened_vector high = *(const unaligned_widened_vector *)(weights + INTEGER_LANES);
#pragma clang loop unroll(full)
    for (ptrdiff_t r = 0; r < rows; r++) {
      const widened_vector x = a[r * a_stride + k];
      sums[r][0] += x * low;
      sums[r][1] += x * high;
    }
    // As in the other tiles: there are no registers for earlier loads.
    __asm__ volatile("" ::: "memory");
  }
#pragma clang loop unroll(full)
  for (ptrdiff_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (ptrdiff_t v = 0; v < 2; v++) {
      float *c = tile->c + r * tile->c_stride + v * INTEGER_LANES;
      const float *addend = tile->addend ? tile->addend + v * INTEGER_LANES : NULL;
      const ptrdiff_t left = columns - v * INTEGER_LANES;
      if (left >= INTEGER_LANES) {
        widened_vector sum = sums[r][v];
        if (!tile->is_first) sum += *(const unaligned_widened_vector *)c;
        if (tile->is_first && addend) sum += *(const unaligned_widened_vector *)addend;
        *(unaligned_widened_vector *)c = sum;
        continue;
      }
      for (ptrdiff_t j = 0; j < left; j++) {
        const float sum = sums[r][v][j];
        c[j] = !tile->is_first ? c[j] + sum : addend ? sum + addend[j] : sum;
      }
    }
}

#define ROWS_CASE(rows) \
  case rows: add_widened_rows(tile, columns, rows); break;

static void add_widened_tile(const widened_tile *tile, ptrdiff_t columns, ptrdiff_t rows) {
  switch (rows) {
    ROWS_CASE(1)
    ROWS_CASE(2)
    ROWS_CASE(3)
    ROWS_CASE(4)
#if GEMM_ROWS > 4
    ROWS_CASE(5)
    ROWS_CASE(6)
#endif
#if GEMM_ROWS > 6
    ROWS_CASE(7)
    ROWS_CASE(8)
    ROWS_CASE(9)
    ROWS_CASE(10)
    ROWS_CASE(11)
    ROWS_CASE(12)
    ROWS_CASE(13)
    ROWS_CASE(14)
#endif
    default: break;
  }
}
#undef ROWS_CASE

/// The most rows that are multiplied one by one, without storing widened weights.
enum { WIDENED_SINGLE_ROWS = 3 };

/// Adds the products of a row with two panels of adjacent columns to `c`, from depth `k` up to
/// `end`, where the scales of all columns change.
GRAFT_INLINE void add_row_of_columns(
    const graft_widened_problem *p, const unaligned_weight_factor *a, ptrdiff_t k, ptrdiff_t end,
    ptrdiff_t column, float *c, const int32_t integer) {
  const ptrdiff_t scale = scale_index(k, p->depth_block, p->depth_scale_stride);
  panel_floats sums[2], scales[2];
  panel_integers zero_points[2];
#pragma clang loop unroll(full)
  for (ptrdiff_t v = 0; v < 2; v++) {
    const ptrdiff_t place = scale + (p->column_scale_stride ? column + v * PANEL : 0);
    sums[v] = 0;
    scales[v] = p->scales[place];
    zero_points[v] = zero_point(p, place);
    if (p->column_scale_stride == 0) continue;
    scales[v] = *(const unaligned_panel_floats *)(p->scales + place);
    if (p->zero_points)
      zero_points[v] = *(const unaligned_panel_integers *)(p->zero_points + place);
  }
  for (; k < end; k++) {
    const float x = a[k];
#pragma clang loop unroll(full)
    for (ptrdiff_t v = 0; v < 2; v++) {
      const panel_integers w =
          adjacent_integers(p->b, k * p->b_depth_stride + column + v * PANEL, integer) -
          zero_points[v];
      sums[v] += x * __builtin_convertvector(w, panel_floats);
    }
  }
#pragma clang loop unroll(full)
  for (ptrdiff_t v = 0; v < 2; v++)
    *(unaligned_panel_floats *)(c + column + v * PANEL) += sums[v] * scales[v];
}

/// The products of a row with adjacent columns, two panels at a time, up to `end`. Returns the
/// first column that is left.
GRAFT_INLINE ptrdiff_t multiply_row_by_columns(
    const graft_widened_problem *p, const unaligned_weight_factor *a, float *c, ptrdiff_t column,
    ptrdiff_t end, const int32_t integer) {
  // Lines of so many columns and the depths of a sum stay in the L1 cache.
  enum { GROUP = 256 };
  while (end - column >= 2 * PANEL) {
    const ptrdiff_t left = (end - column) / (2 * PANEL) * (2 * PANEL);
    const ptrdiff_t group_end = column + (left < GROUP ? left : GROUP);
    for (ptrdiff_t j = column; j < group_end; j++) c[j] = p->addend ? p->addend[j] : 0;
    for (ptrdiff_t k = 0; k < p->depth;) {
      const ptrdiff_t limit = p->depth - k < WIDENED_DEPTH ? p->depth : k + WIDENED_DEPTH;
      const ptrdiff_t k_end = scale_end(k, p->depth_block, p->depth_scale_stride, limit);
      for (ptrdiff_t j = column; j < group_end; j += 2 * PANEL)
        add_row_of_columns(p, a, k, k_end, j, c, integer);
      k = k_end;
    }
    column = group_end;
  }
  return column;
}

/// The product of a row with a column of adjacent depths.
GRAFT_INLINE float multiply_row_by_depths(
    const graft_widened_problem *p, const unaligned_weight_factor *a, ptrdiff_t column,
    const int32_t integer) {
  const ptrdiff_t base = scale_index(column, p->column_block, p->column_scale_stride);
  const ptrdiff_t first = column * p->b_column_stride;
  panel_floats total = 0;
  float rest = 0;
  for (ptrdiff_t k = 0; k < p->depth;) {
    const ptrdiff_t scale = base + scale_index(k, p->depth_block, p->depth_scale_stride);
    const ptrdiff_t end = scale_end(k, p->depth_block, p->depth_scale_stride, p->depth);
    const int32_t zero = zero_point(p, scale);
    panel_floats sum = 0;
    for (; k + PANEL <= end && (first + k) % 2 == 0; k += PANEL) {
      const panel_integers w = adjacent_integers(p->b, first + k, integer) - zero;
      sum += *(const unaligned_panel_floats *)(a + k) * __builtin_convertvector(w, panel_floats);
    }
    float single = 0;
    for (; k < end; k++) single += a[k] * (float)(single_integer(p->b, first + k, integer) - zero);
    total += sum * p->scales[scale];
    rest += single * p->scales[scale];
  }
  for (ptrdiff_t i = 0; i < PANEL; i++) rest += total[i];
  return p->addend ? rest + p->addend[column] : rest;
}

/// Multiplies a row by columns up to `end`; returns the first column that is left.
GRAFT_INLINE ptrdiff_t multiply_row_of(
    const graft_widened_problem *p, ptrdiff_t row, ptrdiff_t column, ptrdiff_t end,
    const int32_t integer) {
  const unaligned_weight_factor *a = (const unaligned_weight_factor *)p->a + row * p->a_row_stride;
  float *c = p->c + row * p->c_row_stride;
  if (p->b_column_stride != 1) {
    for (; column < end; column++) c[column] = multiply_row_by_depths(p, a, column, integer);
    return column;
  }
  if (p->column_scale_stride != 0 && p->column_block != 1) return column;
  return multiply_row_by_columns(p, a, c, column, end, integer);
}

static ptrdiff_t multiply_row(
    const graft_widened_problem *p, ptrdiff_t row, ptrdiff_t column, ptrdiff_t end) {
  switch (p->integer) {
    case GRAFT_INTEGER_U8: return multiply_row_of(p, row, column, end, GRAFT_INTEGER_U8);
    case GRAFT_INTEGER_I8: return multiply_row_of(p, row, column, end, GRAFT_INTEGER_I8);
    case GRAFT_INTEGER_U4: return multiply_row_of(p, row, column, end, GRAFT_INTEGER_U4);
    default: return multiply_row_of(p, row, column, end, GRAFT_INTEGER_I4);
  }
}

static void multiply_widened(
    const graft_widened_problem *p, ptrdiff_t first_row, ptrdiff_t row_count,
    ptrdiff_t first_column, ptrdiff_t column_count) {
  enum { COLUMNS = WIDENED_PANELS * PANEL };
  float panels[WIDENED_DEPTH * COLUMNS] __attribute__((aligned(64)));
  const ptrdiff_t tile_count = (row_count + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t end = first_column + column_count;
  ptrdiff_t column = first_column;
  if (row_count <= WIDENED_SINGLE_ROWS)
    for (ptrdiff_t row = first_row; row < first_row + row_count; row++)
      column = multiply_row(p, row, first_column, end);
  for (; column < end; column += COLUMNS) {
    const ptrdiff_t columns = end - column < COLUMNS ? end - column : COLUMNS;
    ptrdiff_t k = 0;
    do {
      const ptrdiff_t depth = p->depth - k < WIDENED_DEPTH ? p->depth - k : WIDENED_DEPTH;
      widen_block(p, k, depth, column, columns, panels);
      for (ptrdiff_t tile = 0; tile < tile_count; tile++) {
        const ptrdiff_t start = graft_panel_start(row_count, tile_count, tile);
        const ptrdiff_t rows = graft_panel_start(row_count, tile_count, tile + 1) - start;
        const ptrdiff_t row = first_row + start;
        widened_tile description = {
            .a = (const unaligned_weight_factor *)p->a + row * p->a_row_stride + k,
            .a_stride = p->a_row_stride,
            .depth = depth,
            .is_first = k == 0,
            .c_stride = p->c_row_stride,
        };
        for (ptrdiff_t c = 0; c < columns; c += PANEL) {
          description.panel = panels + c * depth;
          description.addend = p->addend ? p->addend + column + c : NULL;
          description.c = p->c + row * p->c_row_stride + column + c;
          add_widened_tile(&description, columns - c, rows);
        }
      }
      k += depth;
    } while (k < p->depth);
  }
}
