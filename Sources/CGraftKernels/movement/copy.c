#include <string.h>

#include "graft_movement.h"
#include "unaligned.h"

// A block of rows x columns with arbitrary steps between columns.
#define DEFINE_STRIDED(WIDTH)                                                                     \
  static void copy_strided_##WIDTH(                                                               \
      char *destination, const char *source, const graft_movement_matrix *matrix, ptrdiff_t rows, \
      ptrdiff_t columns) {                                                                        \
    const ptrdiff_t source_step = matrix->columns.source_step;                                    \
    const ptrdiff_t destination_step = matrix->columns.destination_step;                          \
    for (ptrdiff_t row = 0; row < rows; ++row) {                                                  \
      const char *from = source + row * matrix->rows.source_step;                                 \
      char *to = destination + row * matrix->rows.destination_step;                               \
      if (destination_step == WIDTH && source_step == 0) {                                        \
        const element_##WIDTH value = *(const element_##WIDTH *)from;                             \
        for (ptrdiff_t column = 0; column < columns; ++column)                                    \
          ((element_##WIDTH *)to)[column] = value;                                                \
      } else if (destination_step == WIDTH) {                                                     \
        for (ptrdiff_t column = 0; column < columns; ++column)                                    \
          ((element_##WIDTH *)to)[column] =                                                       \
              *(const element_##WIDTH *)(from + column * source_step);                            \
      } else {                                                                                    \
        for (ptrdiff_t column = 0; column < columns; ++column)                                    \
          *(element_##WIDTH *)(to + column * destination_step) =                                  \
              *(const element_##WIDTH *)(from + column * source_step);                            \
      }                                                                                           \
    }                                                                                             \
  }

DEFINE_STRIDED(1)
DEFINE_STRIDED(2)
DEFINE_STRIDED(4)
DEFINE_STRIDED(8)
DEFINE_STRIDED(16)

typedef uint8_t lanes_1 __attribute__((vector_size(16)));
typedef uint16_t lanes_2 __attribute__((vector_size(16)));
typedef uint32_t lanes_4 __attribute__((vector_size(16)));
typedef uint64_t lanes_8 __attribute__((vector_size(16)));

#define LOW_1(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH_1(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define LOW_2(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH_2(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define LOW_4(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH_4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW_8(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH_8(a, b) __builtin_shufflevector(a, b, 1, 3)

// Squares of one vector are transposed by interleaving row i with row i + N / 2, log2(N) times.
#define DEFINE_SQUARE(WIDTH, ROUNDS)                                                         \
  static inline void transpose_square_##WIDTH(                                               \
      const char *source, ptrdiff_t source_step, ptrdiff_t columns, lanes_##WIDTH *square) { \
    enum { side = 16 / WIDTH };                                                              \
    lanes_##WIDTH mixed[side];                                                               \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < side; ++i) if (i < columns)       \
        memcpy(&square[i], source + i * source_step, 16);                                    \
    else memset(&square[i], 0, 16);                                                          \
    for (int round = 0; round < ROUNDS; ++round) {                                           \
      for (int i = 0; i < side / 2; ++i) {                                                   \
        mixed[2 * i] = LOW_##WIDTH(square[i], square[i + side / 2]);                         \
        mixed[2 * i + 1] = HIGH_##WIDTH(square[i], square[i + side / 2]);                    \
      }                                                                                      \
      memcpy(square, mixed, sizeof mixed);                                                   \
    }                                                                                        \
  }

// Fewer rows than a square has, such as the channels of an image: elements read beyond them belong
// to the next columns, and are not written.
#define DEFINE_FEW_ROWS(WIDTH)                                                                    \
  static void copy_few_rows_##WIDTH(                                                              \
      char *destination, const char *source, const graft_movement_matrix *matrix, ptrdiff_t rows, \
      ptrdiff_t columns) {                                                                        \
    enum { side = 16 / WIDTH };                                                                   \
    if (rows == 0) return;                                                                        \
    const ptrdiff_t source_step = matrix->columns.source_step;                                    \
    const ptrdiff_t readable = (columns - 1) * source_step + rows * WIDTH;                        \
    ptrdiff_t column = 0;                                                                         \
    if (source_step > 0)                                                                          \
      for (; column + side <= columns && (column + side - 1) * source_step + 16 <= readable;      \
           column += side) {                                                                      \
        lanes_##WIDTH square[side];                                                               \
        transpose_square_##WIDTH(source + column * source_step, source_step, side, square);       \
        _Pragma("clang loop unroll(full)") for (int row = 0; row < side; ++row) if (row < rows)   \
            memcpy(                                                                               \
                destination + row * matrix->rows.destination_step + column * WIDTH, &square[row], \
                16);                                                                              \
      }                                                                                           \
    copy_strided_##WIDTH(                                                                         \
        destination + column * WIDTH, source + column * source_step, matrix, rows,                \
        columns - column);                                                                        \
  }

// Fewer columns than a square has, with adjacent rows in the destination: the next rows overwrite
// the elements written beyond a row.
#define DEFINE_FEW_COLUMNS(WIDTH)                                                                 \
  static void copy_few_columns_##WIDTH(                                                           \
      char *destination, const char *source, const graft_movement_matrix *matrix, ptrdiff_t rows, \
      ptrdiff_t columns) {                                                                        \
    enum { side = 16 / WIDTH };                                                                   \
    const ptrdiff_t step = matrix->rows.destination_step;                                         \
    const ptrdiff_t writable = rows * step;                                                       \
    ptrdiff_t row = 0;                                                                            \
    if (step == columns * WIDTH)                                                                  \
      for (; row + side <= rows && (row + side - 1) * step + 16 <= writable; row += side) {       \
        lanes_##WIDTH square[side];                                                               \
        transpose_square_##WIDTH(                                                                 \
            source + row * WIDTH, matrix->columns.source_step, columns, square);                  \
        for (int i = 0; i < side; ++i) memcpy(destination + (row + i) * step, &square[i], 16);    \
      }                                                                                           \
    copy_strided_##WIDTH(                                                                         \
        destination + row * step, source + row * WIDTH, matrix, rows - row, columns);             \
  }

// A block whose rows are dense in the source and whose columns are dense in the destination. Rows
// are copied one cache line of the source at a time, so that each line is read once.
#define DEFINE_TRANSPOSE(WIDTH, ROUNDS)                                                           \
  DEFINE_SQUARE(WIDTH, ROUNDS)                                                                    \
  DEFINE_FEW_ROWS(WIDTH)                                                                          \
  DEFINE_FEW_COLUMNS(WIDTH)                                                                       \
  static void copy_transposed_##WIDTH(                                                            \
      char *destination, const char *source, const graft_movement_matrix *matrix, ptrdiff_t rows, \
      ptrdiff_t columns) {                                                                        \
    enum { side = 16 / WIDTH, line = 64 / WIDTH };                                                \
    const ptrdiff_t source_step = matrix->columns.source_step;                                    \
    const ptrdiff_t destination_step = matrix->rows.destination_step;                             \
    const ptrdiff_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;    \
    if (whole_columns == 0) {                                                                     \
      copy_few_columns_##WIDTH(destination, source, matrix, rows, columns);                       \
      return;                                                                                     \
    }                                                                                             \
    for (ptrdiff_t first = 0; first < whole_rows; first += line) {                                \
      const ptrdiff_t end = first + line < whole_rows ? first + line : whole_rows;                \
      for (ptrdiff_t column = 0; column < whole_columns; column += side) {                        \
        for (ptrdiff_t row = first; row < end; row += side) {                                     \
          lanes_##WIDTH square[side];                                                             \
          transpose_square_##WIDTH(                                                               \
              source + column * source_step + row * WIDTH, source_step, side, square);            \
          for (int i = 0; i < side; ++i)                                                          \
            memcpy(destination + (row + i) * destination_step + column * WIDTH, &square[i], 16);  \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    copy_strided_##WIDTH(                                                                         \
        destination + whole_columns * WIDTH, source + whole_columns * source_step, matrix,        \
        whole_rows, columns - whole_columns);                                                     \
    copy_few_rows_##WIDTH(                                                                        \
        destination + whole_rows * destination_step, source + whole_rows * WIDTH, matrix,         \
        rows - whole_rows, columns);                                                              \
  }

DEFINE_TRANSPOSE(1, 4)
DEFINE_TRANSPOSE(2, 3)
DEFINE_TRANSPOSE(4, 2)
DEFINE_TRANSPOSE(8, 1)

#define COPY_BY_WIDTH(WIDTH)                                               \
  case WIDTH:                                                              \
    if (is_transposed)                                                     \
      copy_transposed_##WIDTH(destination, source, matrix, rows, columns); \
    else                                                                   \
      copy_strided_##WIDTH(destination, source, matrix, rows, columns);    \
    return;

static void copy_block(
    char *destination, const char *source, const graft_movement_matrix *matrix, ptrdiff_t rows,
    ptrdiff_t columns) {
  const ptrdiff_t width = matrix->width;
  if (matrix->columns.source_step == width && matrix->columns.destination_step == width) {
    for (ptrdiff_t row = 0; row < rows; ++row)
      memcpy(
          destination + row * matrix->rows.destination_step,
          source + row * matrix->rows.source_step, (size_t)(columns * width));
    return;
  }
  const int is_transposed =
      matrix->columns.destination_step == width && matrix->rows.source_step == width;
  const graft_movement_table *kernels = matrix->kernels;
  if (is_transposed && (width == 4 || width == 8) && kernels->vector_bytes > 0 &&
      rows * width >= kernels->vector_bytes && columns * width >= kernels->vector_bytes) {
    (width == 4 ? kernels->transpose_4 : kernels->transpose_8)(
        destination, matrix->rows.destination_step, source, matrix->columns.source_step, rows,
        columns);
    return;
  }
  switch (width) {
    COPY_BY_WIDTH(1)
    COPY_BY_WIDTH(2)
    COPY_BY_WIDTH(4)
    COPY_BY_WIDTH(8)
    default: copy_strided_16(destination, source, matrix, rows, columns);
  }
}

void graft_movement_copy(
    void *destination, const void *source, const graft_movement_matrix *matrix,
    const graft_movement_axis *outer, ptrdiff_t outer_rank, ptrdiff_t first_block,
    ptrdiff_t block_count) {
  const ptrdiff_t row_blocks = (matrix->rows.extent + matrix->row_block - 1) / matrix->row_block;
  const ptrdiff_t column_blocks =
      (matrix->columns.extent + matrix->column_block - 1) / matrix->column_block;
  for (ptrdiff_t block = first_block; block < first_block + block_count; ++block) {
    ptrdiff_t rest = block;
    const ptrdiff_t column = rest % column_blocks * matrix->column_block;
    rest /= column_blocks;
    const ptrdiff_t row = rest % row_blocks * matrix->row_block;
    rest /= row_blocks;
    const char *from = (const char *)source + row * matrix->rows.source_step +
                       column * matrix->columns.source_step;
    char *to = (char *)destination + row * matrix->rows.destination_step +
               column * matrix->columns.destination_step;
    for (ptrdiff_t axis = outer_rank - 1; axis >= 0; --axis) {
      const ptrdiff_t index = rest % outer[axis].extent;
      rest /= outer[axis].extent;
      from += index * outer[axis].source_step;
      to += index * outer[axis].destination_step;
    }
    const ptrdiff_t rows_left = matrix->rows.extent - row;
    const ptrdiff_t columns_left = matrix->columns.extent - column;
    copy_block(
        to, from, matrix, rows_left < matrix->row_block ? rows_left : matrix->row_block,
        columns_left < matrix->column_block ? columns_left : matrix->column_block);
  }
}
