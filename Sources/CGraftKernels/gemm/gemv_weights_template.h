// Products of few rows with a matrix that is read once and in place, for one type of its elements.
// The file that includes this defines
//   WEIGHT                 an element of B at any address
//   LOAD_WEIGHTS(address)  a vector of them as ELEMENT
//   LOAD_WEIGHT(address)   one of them as ELEMENT
// WEIGHT_NAME(base)      the names of the functions defined here
// and includes gemv_template.h.

/// Dot products of all rows of A with `columns` columns of B. `rows` (of A), `columns` and `parts`
/// are constants when inlined. `parts` sums for each product hide the latency of additions.
GRAFT_INLINE void WEIGHT_NAME(dots)(
    const int rows, const int columns, const int parts, const graft_gemm_problem *p,
    ptrdiff_t column) {
  NAME(vector) sums[4][4][2];
#pragma unroll
  for (int row = 0; row < rows; row++)
#pragma unroll
    for (int j = 0; j < columns; j++)
#pragma unroll
      for (int part = 0; part < parts; part++) sums[row][j][part] = (NAME(vector))(ELEMENT)0;
  const ptrdiff_t a_stride = p->a_row_stride, b_stride = p->b_column_stride;
  const NAME(unaligned) *a = p->a;
  const WEIGHT *b = (const WEIGHT *)p->b + column * b_stride;
  ptrdiff_t k = 0;
  for (; k + parts * LANES <= p->depth; k += parts * LANES) {
#pragma unroll
    for (int part = 0; part < parts; part++) {
      NAME(vector) x[4];
#pragma unroll
      for (int row = 0; row < rows; row++)
        x[row] = *(const NAME(unaligned_vector) *)(a + row * a_stride + k + part * LANES);
#pragma unroll
      for (int j = 0; j < columns; j++) {
        const WEIGHT *address = b + j * b_stride + k + part * LANES;
        const NAME(vector) y = LOAD_WEIGHTS(address);
        __builtin_prefetch((const char *)address + 1024);
#pragma unroll
        for (int row = 0; row < rows; row++) sums[row][j][part] += x[row] * y;
      }
    }
  }
#pragma unroll
  for (int row = 0; row < rows; row++)
#pragma unroll
    for (int j = 0; j < columns; j++) {
      const NAME(vector) lanes = parts == 2 ? sums[row][j][0] + sums[row][j][1] : sums[row][j][0];
      ELEMENT sum = 0;
      for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
      for (ptrdiff_t i = k; i < p->depth; i++)
        sum += a[row * a_stride + i] * LOAD_WEIGHT(b + j * b_stride + i);
      ((ELEMENT *)p->c)[row * p->c_row_stride + column + j] =
          NAME(finished)(p, row, column + j, sum);
    }
}

#define DOT_COLUMNS(rows, columns, parts)                                        \
  {                                                                              \
    for (; column + columns <= end; column += columns)                           \
      WEIGHT_NAME(dots)(rows, columns, parts, p, column);                        \
    for (; column < end; column++) WEIGHT_NAME(dots)(rows, 1, parts, p, column); \
  }

static void WEIGHT_NAME(dot_columns)(
    const graft_gemm_problem *p, ptrdiff_t first_column, ptrdiff_t column_count) {
  const ptrdiff_t end = first_column + column_count;
  ptrdiff_t column = first_column;
  switch (p->rows) {
    case 1: DOT_COLUMNS(1, 4, 2) break;
    case 2: DOT_COLUMNS(2, 4, 1) break;
    case 3: DOT_COLUMNS(3, 2, 1) break;
    default: DOT_COLUMNS(4, 2, 1) break;
  }
  NAME(activate_columns)(p, first_column, column_count);
}
#undef DOT_COLUMNS

/// Adds `depth` rows of B, each times its element of A, to `rows` partial rows; `rows` and `depth`
/// are constants when inlined.
GRAFT_INLINE void WEIGHT_NAME(add_some_rows)(
    const int rows, const int depth, const graft_gemm_problem *p, ptrdiff_t k,
    ptrdiff_t first_column, ptrdiff_t column_count, ELEMENT *partial) {
  const NAME(unaligned) *a = p->a;
  ELEMENT x[4][8];
#pragma unroll
  for (int row = 0; row < rows; row++)
#pragma unroll
    for (int i = 0; i < depth; i++)
      x[row][i] = a[row * p->a_row_stride + (k + i) * p->a_depth_stride];
  const ptrdiff_t stride = p->b_depth_stride;
  const WEIGHT *b = (const WEIGHT *)p->b + k * stride;
  const ptrdiff_t columns = graft_partial_stride(p->columns), end = first_column + column_count;
  ptrdiff_t column = first_column;
  for (; column + LANES <= end; column += LANES) {
    NAME(vector) sums[4];
#pragma unroll
    for (int row = 0; row < rows; row++)
      sums[row] = *(NAME(unaligned_vector) *)(partial + row * columns + column);
#pragma unroll
    for (int i = 0; i < depth; i++) {
      const WEIGHT *address = b + i * stride + column;
      const NAME(vector) y = LOAD_WEIGHTS(address);
      __builtin_prefetch((const char *)address + 1024);
#pragma unroll
      for (int row = 0; row < rows; row++) sums[row] += (NAME(vector))x[row][i] * y;
    }
#pragma unroll
    for (int row = 0; row < rows; row++)
      *(NAME(unaligned_vector) *)(partial + row * columns + column) = sums[row];
  }
  for (; column < end; column++)
#pragma unroll
    for (int row = 0; row < rows; row++)
      for (int i = 0; i < depth; i++)
        partial[row * columns + column] += x[row][i] * LOAD_WEIGHT(b + i * stride + column);
}

/// The same for any number of rows: eight vectors of B stay in registers for all rows.
static void WEIGHT_NAME(add_many_rows)(
    const graft_gemm_problem *p, ptrdiff_t k, ptrdiff_t first_column, ptrdiff_t column_count,
    ELEMENT *partial) {
  enum { DEPTH = 8 };
  ELEMENT x[GRAFT_ROW_SUM_MAXIMUM_ROWS][DEPTH];
  const NAME(unaligned) *a = p->a;
  for (ptrdiff_t row = 0; row < p->rows; row++)
    for (int i = 0; i < DEPTH; i++)
      x[row][i] = a[row * p->a_row_stride + (k + i) * p->a_depth_stride];
  const ptrdiff_t stride = p->b_depth_stride;
  const WEIGHT *b = (const WEIGHT *)p->b + k * stride;
  const ptrdiff_t end = first_column + column_count;
  ptrdiff_t column = first_column;
  for (; column + LANES <= end; column += LANES) {
    NAME(vector) y[DEPTH];
#pragma unroll
    for (int i = 0; i < DEPTH; i++) {
      const WEIGHT *address = b + i * stride + column;
      y[i] = LOAD_WEIGHTS(address);
      __builtin_prefetch((const char *)address + 1024);
    }
    ELEMENT *place = partial + column;
    for (ptrdiff_t row = 0; row < p->rows; row++) {
      NAME(vector) sum = *(NAME(unaligned_vector) *)place;
#pragma unroll
      for (int i = 0; i < DEPTH; i++) sum += (NAME(vector))x[row][i] * y[i];
      *(NAME(unaligned_vector) *)place = sum;
      place += graft_partial_stride(p->columns);
    }
  }
  for (; column < end; column++)
    for (ptrdiff_t row = 0; row < p->rows; row++)
      for (int i = 0; i < DEPTH; i++)
        partial[row * graft_partial_stride(p->columns) + column] +=
            x[row][i] * LOAD_WEIGHT(b + i * stride + column);
}

/// The rows of the depth that `add_many_rows` does not add.
static void WEIGHT_NAME(add_last_rows)(
    const graft_gemm_problem *p, ptrdiff_t first_depth, ptrdiff_t end_depth, ptrdiff_t first_column,
    ptrdiff_t column_count, ELEMENT *partial) {
  const NAME(unaligned) *a = p->a;
  const WEIGHT *b = p->b;
  for (ptrdiff_t k = first_depth; k < end_depth; k++)
    for (ptrdiff_t row = 0; row < p->rows; row++) {
      const ELEMENT x = a[row * p->a_row_stride + k * p->a_depth_stride];
      for (ptrdiff_t column = first_column; column < first_column + column_count; column++)
        partial[row * graft_partial_stride(p->columns) + column] +=
            x * LOAD_WEIGHT(b + k * p->b_depth_stride + column);
    }
}

#define ADD_ROWS(rows, depth)                                                             \
  {                                                                                       \
    for (; k + depth <= end; k += depth)                                                  \
      WEIGHT_NAME(add_some_rows)(rows, depth, p, k, first_column, column_count, partial); \
    for (; k < end; k++)                                                                  \
      WEIGHT_NAME(add_some_rows)(rows, 1, p, k, first_column, column_count, partial);     \
  }

static void WEIGHT_NAME(add_rows)(
    const graft_gemm_problem *p, ptrdiff_t first_depth, ptrdiff_t depth_count,
    ptrdiff_t first_column, ptrdiff_t column_count, void *untyped_partial) {
  ELEMENT *partial = untyped_partial;
  for (ptrdiff_t row = 0; row < p->rows; row++)
    memset(
        partial + row * graft_partial_stride(p->columns) + first_column, 0,
        (size_t)column_count * sizeof(ELEMENT));
  const ptrdiff_t end = first_depth + depth_count;
  ptrdiff_t k = first_depth;
  switch (p->rows) {
    case 1: ADD_ROWS(1, 8) break;
    case 2: ADD_ROWS(2, 4) break;
    case 3: ADD_ROWS(3, 4) break;
    case 4: ADD_ROWS(4, 4) break;
    default:
      for (; k + 8 <= end; k += 8)
        WEIGHT_NAME(add_many_rows)(p, k, first_column, column_count, partial);
      WEIGHT_NAME(add_last_rows)(p, k, end, first_column, column_count, partial);
  }
}
#undef ADD_ROWS
