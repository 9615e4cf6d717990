// The register tiles for one element type. The file that includes this defines
//   ELEMENT, IS_FLOATING   the element type, and whether it is one of floating point
//   LANES                  elements of a vector
//   NAME(base)             the name of a function of this instance

#include "activation_template.h"

typedef ELEMENT NAME(vector) __attribute__((ext_vector_type(LANES)));
typedef ELEMENT NAME(unaligned) __attribute__((aligned(1)));
typedef NAME(vector) NAME(unaligned_vector) __attribute__((aligned(1)));

/// `rows` and `vectors` are constants when inlined, so that the sums are in registers.
GRAFT_INLINE void NAME(tile)(const int rows, const int vectors, const graft_tile *tile) {
  NAME(vector) sums[GEMM_ROWS][2];
#pragma unroll
  for (int row = 0; row < rows; row++)
#pragma unroll
    for (int v = 0; v < vectors; v++) sums[row][v] = (NAME(vector))(ELEMENT)0;

  const ELEMENT *a = tile->a;
  const NAME(vector) *b = tile->b;
  for (ptrdiff_t k = 0; k < tile->depth; k++) {
#pragma unroll
    for (int row = 0; row < rows; row++) {
      const NAME(vector) left = (NAME(vector))a[row];
#pragma unroll
      for (int v = 0; v < vectors; v++) sums[row][v] += left * b[v];
    }
    a += rows;
    b += vectors;
  }

#if IS_FLOATING
  const int clamps = tile->is_last && tile->activation->kind == GRAFT_ACTIVATION_CLAMP;
  const NAME(vector) lowest =
      (NAME(vector))(ELEMENT)(clamps ? tile->activation->alpha : -__builtin_inf());
  const NAME(vector) highest =
      (NAME(vector))(ELEMENT)(clamps ? tile->activation->beta : __builtin_inf());
#endif
  const NAME(vector) beta = (NAME(vector))(ELEMENT)tile->beta;
  ELEMENT *c = tile->c;
  const NAME(unaligned) *addend = tile->addend, *row_addend = tile->row_addend;
#pragma unroll
  for (int row = 0; row < rows; row++) {
#pragma unroll
    for (int v = 0; v < vectors; v++) {
      NAME(unaligned_vector) *target = (NAME(unaligned_vector) *)c + v;
      NAME(vector) sum = sums[row][v];
      if (tile->is_first) {
        if (row_addend) sum += beta * (NAME(vector))(ELEMENT)*row_addend;
        if (addend) sum += beta * ((const NAME(unaligned_vector) *)addend)[v];
      } else {
        sum += *target;
      }
#if IS_FLOATING
      sum = sum < lowest ? lowest : sum;
      sum = sum > highest ? highest : sum;
#endif
      *target = sum;
    }
    c += tile->c_row_stride;
    if (addend) addend += tile->addend_row_stride;
    if (row_addend) row_addend += tile->row_addend_stride;
  }
}

#define TILE(rows)                                                                         \
  static void NAME(tile_##rows##_1)(const graft_tile *tile) { NAME(tile)(rows, 1, tile); } \
  static void NAME(tile_##rows##_2)(const graft_tile *tile) { NAME(tile)(rows, 2, tile); }
#define TILES(rows) {NAME(tile_##rows##_1), NAME(tile_##rows##_2)}

// clang-format off
TILE(1) TILE(2) TILE(3) TILE(4)
#if GEMM_ROWS > 4
TILE(5) TILE(6)
#endif
#if GEMM_ROWS > 6
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#endif
    // clang-format on

    static void (*const NAME(tiles)[GEMM_ROWS][2])(const graft_tile *) = {
        TILES(1), TILES(2), TILES(3), TILES(4),
#if GEMM_ROWS > 4
        TILES(5), TILES(6),
#endif
#if GEMM_ROWS > 6
        TILES(7), TILES(8), TILES(9), TILES(10), TILES(11), TILES(12), TILES(13), TILES(14),
#endif
};

#undef TILE
#undef TILES

static void NAME(run_tile)(const graft_tile *tile, ptrdiff_t rows, ptrdiff_t columns) {
  const ptrdiff_t width = columns <= LANES ? LANES : 2 * LANES;
  ELEMENT *c = tile->c;
  if (columns == width) {
    NAME(tiles)[rows - 1][width / LANES - 1](tile);
  } else {
    // The tile is wider than the rest of C, so it works on copies.
    ELEMENT sums[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
    ELEMENT addend[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
    graft_tile copy = *tile;
    copy.c = sums;
    copy.c_row_stride = width;
    const size_t byte_count = (size_t)columns * sizeof(ELEMENT);
    if (!tile->is_first)
      for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(sums + row * width, c + row * tile->c_row_stride, byte_count);
    if (tile->is_first && tile->addend) {
      copy.addend = addend;
      copy.addend_row_stride = width;
      const NAME(unaligned) *source = tile->addend;
      for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(addend + row * width, source + row * tile->addend_row_stride, byte_count);
    }
    NAME(tiles)[rows - 1][width / LANES - 1](&copy);
    for (ptrdiff_t row = 0; row < rows; row++)
      memcpy(c + row * tile->c_row_stride, sums + row * width, byte_count);
  }
#if IS_FLOATING
  if (tile->is_last && !NAME(only_clamps)(tile->activation))
    for (ptrdiff_t row = 0; row < rows; row++)
      NAME(finish)(tile->activation, c + row * tile->c_row_stride, columns);
#endif
}

typedef ELEMENT NAME(quad) __attribute__((ext_vector_type(4)));
typedef NAME(quad) NAME(unaligned_quad) __attribute__((aligned(1)));

static void NAME(transpose)(
    const void *untyped_source, ptrdiff_t row_stride, ptrdiff_t rows, ptrdiff_t depth,
    void *untyped_target, ptrdiff_t width) {
  const NAME(unaligned) *source = untyped_source;
  ELEMENT *target = untyped_target;
  ptrdiff_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const NAME(unaligned) *x = source + row * row_stride;
    ELEMENT *y = target + row;
    ptrdiff_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      const NAME(quad) x0 = *(const NAME(unaligned_quad) *)(x + k);
      const NAME(quad) x1 = *(const NAME(unaligned_quad) *)(x + row_stride + k);
      const NAME(quad) x2 = *(const NAME(unaligned_quad) *)(x + 2 * row_stride + k);
      const NAME(quad) x3 = *(const NAME(unaligned_quad) *)(x + 3 * row_stride + k);
      const NAME(quad) low01 = __builtin_shufflevector(x0, x1, 0, 4, 1, 5);
      const NAME(quad) high01 = __builtin_shufflevector(x0, x1, 2, 6, 3, 7);
      const NAME(quad) low23 = __builtin_shufflevector(x2, x3, 0, 4, 1, 5);
      const NAME(quad) high23 = __builtin_shufflevector(x2, x3, 2, 6, 3, 7);
      ELEMENT *z = y + k * width;
      *(NAME(unaligned_quad) *)z = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
      *(NAME(unaligned_quad) *)(z + width) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
      *(NAME(unaligned_quad) *)(z + 2 * width) =
          __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
      *(NAME(unaligned_quad) *)(z + 3 * width) =
          __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
    }
    for (; k < depth; k++)
      for (int r = 0; r < 4; r++) y[k * width + r] = x[r * row_stride + k];
  }
  for (; row < rows; row++)
    for (ptrdiff_t k = 0; k < depth; k++) target[k * width + row] = source[row * row_stride + k];
  for (; row < width; row++)
    for (ptrdiff_t k = 0; k < depth; k++) target[k * width + row] = 0;
}

static const graft_tile_table NAME(tile_table) = {
    GEMM_ROWS,
    2 * LANES,
    NAME(run_tile),
    NAME(transpose),
};
