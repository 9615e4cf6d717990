// Transposes blocks of elements by squares of vectors, for vectors as wide as a square of 4 or 8.

#if VECTOR_BYTES > 16

typedef uint64_t longs __attribute__((vector_size(VECTOR_BYTES)));

enum { LINE_BYTES = 64 };

#if VECTOR_BYTES == 64

// log2(N) times, row i is interleaved with row i + N / 2.
GRAFT_INLINE void transpose_words(words *x) {
#pragma clang loop unroll(full)
  for (int round = 0; round < 4; round++) {
    words mixed[16];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
      mixed[2 * i] = __builtin_shufflevector(
          x[i], x[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      mixed[2 * i + 1] = __builtin_shufflevector(
          x[i], x[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    memcpy(x, mixed, sizeof mixed);
  }
}

GRAFT_INLINE void transpose_longs(longs *x) {
#pragma clang loop unroll(full)
  for (int round = 0; round < 3; round++) {
    longs mixed[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
      mixed[2 * i] = __builtin_shufflevector(x[i], x[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
      mixed[2 * i + 1] = __builtin_shufflevector(x[i], x[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    memcpy(x, mixed, sizeof mixed);
  }
}

#else

// Swaps elements, pairs and quadruples within and between the halves of 16 bytes: one instruction
// each.
GRAFT_INLINE void transpose_words(words *x) {
  words t[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i += 4)
#pragma clang loop unroll(full)
    for (int k = 0; k < 2; k++) {
      x[i + 2 * k] = __builtin_shufflevector(t[i + k], t[i + k + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      x[i + 2 * k + 1] =
          __builtin_shufflevector(t[i + k], t[i + k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) {
    const words low = __builtin_shufflevector(x[k], x[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    x[k + 4] = __builtin_shufflevector(x[k], x[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    x[k] = low;
  }
}

GRAFT_INLINE void transpose_longs(longs *x) {
  longs t[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i += 2) {
    t[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 4, 2, 6);
    t[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 1, 5, 3, 7);
  }
#pragma clang loop unroll(full)
  for (int k = 0; k < 2; k++) {
    x[k] = __builtin_shufflevector(t[k], t[k + 2], 0, 1, 4, 5);
    x[k + 2] = __builtin_shufflevector(t[k], t[k + 2], 2, 3, 6, 7);
  }
}

#endif

// Squares at the edges overlap those before them and write the same elements again. The order of
// columns follows cache lines of the destination, so that each line is written at once.
#define DEFINE_TRANSPOSE(name, vector, width)                                                    \
  static void name(                                                                              \
      char *destination, ptrdiff_t destination_step, const char *source, ptrdiff_t source_step,  \
      ptrdiff_t rows, ptrdiff_t columns) {                                                       \
    enum { side = VECTOR_BYTES / width, line = LINE_BYTES / width };                             \
    for (ptrdiff_t first = 0; first < columns; first += line) {                                  \
      const ptrdiff_t end = first + line < columns ? first + line : columns;                     \
      for (ptrdiff_t next_row = 0; next_row < rows; next_row += side) {                          \
        const ptrdiff_t row = next_row + side <= rows ? next_row : rows - side;                  \
        for (ptrdiff_t next_column = first; next_column < end; next_column += side) {            \
          const ptrdiff_t column = next_column + side <= columns ? next_column : columns - side; \
          vector square[side];                                                                   \
          const char *from = source + column * source_step + row * width;                        \
          char *to = destination + row * destination_step + column * width;                      \
          _Pragma("clang loop unroll(full)") for (int i = 0; i < side; i++)                      \
              memcpy(&square[i], from + i * source_step, VECTOR_BYTES);                          \
          transpose_##vector(square);                                                            \
          _Pragma("clang loop unroll(full)") for (int i = 0; i < side; i++)                      \
              memcpy(to + i * destination_step, &square[i], VECTOR_BYTES);                       \
        }                                                                                        \
      }                                                                                          \
    }                                                                                            \
  }

DEFINE_TRANSPOSE(transpose_4, words, 4)
DEFINE_TRANSPOSE(transpose_8, longs, 8)

static const graft_movement_table movement_table = {
    .vector_bytes = VECTOR_BYTES,
    .transpose_4 = transpose_4,
    .transpose_8 = transpose_8,
};

#else

static const graft_movement_table movement_table = {.vector_bytes = 0};

#endif
