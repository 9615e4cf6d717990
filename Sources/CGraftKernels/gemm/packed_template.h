// Products whose right matrix is in panels and whose left matrix is read in place; for the required
// definitions see gemm_tile_template.h.

// Tiles that take almost all registers are not unrolled: sums would move between registers.
#if GEMM_ROWS > 6
#define FOUR_DEPTHS _Pragma("clang loop unroll(disable)")
#else
#define FOUR_DEPTHS _Pragma("clang loop unroll(full)")
#endif

/// The greatest depth that is summed at once: sums of short sums have smaller rounding errors. It
/// must only depend on the depth, as it determines the order of sums.
static inline ptrdiff_t NAME(packed_depth)(ptrdiff_t depth) {
  const ptrdiff_t limit = 256;
  const ptrdiff_t count = (depth + limit - 1) / limit;
  return count > 1 ? (depth + count - 1) / count : depth;
}

/// A small block of C, whose sums over a part of the depth stay in registers.
typedef struct {
  const graft_gemm_problem *problem;
  ptrdiff_t first_depth, depth;
  const NAME(unaligned) * a;
  /// `streams` panels one after another, each depth x (vectors * LANES).
  const ELEMENT *panel;
  NAME(unaligned) * c;
  ptrdiff_t c_row_stride;
  const NAME(unaligned) * addend, *row_addend;
  ptrdiff_t addend_row_stride;
  const NAME(unaligned) * residual;
  ptrdiff_t residual_row_stride;
  /// Sums over the parts of the depth before this one.
  NAME(vector) * totals;
  /// What the next blocks read, and the bytes between two lines of it that are prefetched: 64 or 0.
  const char *next;
  ptrdiff_t next_step;
} NAME(packed_block);

/// Adds the products of one depth; loads of the next depth are not moved before them, as no
/// registers are left for them.
GRAFT_INLINE void NAME(add_packed_products)(
    NAME(vector) sums[GEMM_ROWS][8], const int rows, const int streams, const int vectors,
    const NAME(unaligned) * a, ptrdiff_t a_stride, const ELEMENT *panel, ptrdiff_t stream_stride) {
  NAME(vector) b[8];
#pragma unroll
  for (int stream = 0; stream < streams; stream++)
#pragma unroll
    for (int v = 0; v < vectors; v++)
      b[stream * vectors + v] = *(const NAME(vector) *)(panel + stream * stream_stride + v * LANES);
#pragma unroll
  for (int row = 0; row < rows; row++) {
    const NAME(vector) left = (NAME(vector))(ELEMENT)a[row * a_stride];
#pragma unroll
    for (int v = 0; v < streams * vectors; v++) sums[row][v] += left * b[v];
  }
  __asm__ volatile("" ::: "memory");
}

/// `rows`, `streams` and `vectors` are constants when inlined.
GRAFT_INLINE void NAME(packed_tile)(
    const int rows, const int streams, const int vectors, const NAME(packed_block) * block) {
  const graft_gemm_problem *p = block->problem;
  const ptrdiff_t width = vectors * LANES, stream_stride = p->depth * width;
  const ptrdiff_t a_stride = p->a_row_stride, a_step = p->a_depth_stride;
  const ptrdiff_t depth = block->depth, next_step = block->next_step;
  const NAME(unaligned) *a = block->a + block->first_depth * a_step;
  const ELEMENT *panel = block->panel + block->first_depth * width;
  const char *next = block->next + block->first_depth / 4 * next_step;
  NAME(vector) sums[GEMM_ROWS][8];
#pragma unroll
  for (int row = 0; row < rows; row++)
#pragma unroll
    for (int v = 0; v < streams * vectors; v++) sums[row][v] = (NAME(vector))(ELEMENT)0;
  ptrdiff_t k = 0;
  for (; k + 4 <= depth; k += 4) {
    __builtin_prefetch(next, 0, 2);
    next += next_step;
    FOUR_DEPTHS for (int i = 0; i < 4; i++) {
      NAME(add_packed_products)(sums, rows, streams, vectors, a, a_stride, panel, stream_stride);
      a += a_step;
      panel += width;
    }
  }
#pragma clang loop unroll(disable)
  for (; k < depth; k++) {
    NAME(add_packed_products)(sums, rows, streams, vectors, a, a_stride, panel, stream_stride);
    a += a_step;
    panel += width;
  }

  NAME(vector) *total = block->totals;
  if (block->first_depth > 0)
#pragma unroll
    for (int row = 0; row < rows; row++)
#pragma unroll
      for (int v = 0; v < streams * vectors; v++)
        sums[row][v] += total[row * streams * vectors + v];
  if (block->first_depth + depth < p->depth) {
#pragma unroll
    for (int row = 0; row < rows; row++)
#pragma unroll
      for (int v = 0; v < streams * vectors; v++) total[row * streams * vectors + v] = sums[row][v];
    return;
  }
  const int clamps = p->activation.kind == GRAFT_ACTIVATION_CLAMP;
  const NAME(vector) lowest =
      (NAME(vector))(ELEMENT)(clamps ? p->activation.alpha : -__builtin_inf());
  const NAME(vector) highest =
      (NAME(vector))(ELEMENT)(clamps ? p->activation.beta : __builtin_inf());
  const NAME(vector) alpha = (ELEMENT)p->alpha, beta = (ELEMENT)p->beta;
  NAME(unaligned) *c = block->c;
  const NAME(unaligned) *addend = block->addend, *row_addend = block->row_addend;
  const NAME(unaligned) *residual = block->residual;
#pragma unroll
  for (int row = 0; row < rows; row++) {
#pragma unroll
    for (int v = 0; v < streams * vectors; v++) {
      NAME(vector) sum = alpha * sums[row][v];
      if (row_addend) sum += beta * (NAME(vector))(ELEMENT)*row_addend;
      if (addend) sum += beta * *(const NAME(unaligned_vector) *)(addend + v * LANES);
      if (residual) sum += *(const NAME(unaligned_vector) *)(residual + v * LANES);
      sum = sum < lowest ? lowest : sum;
      sum = sum > highest ? highest : sum;
      *(NAME(unaligned_vector) *)(c + v * LANES) = sum;
    }
    c += block->c_row_stride;
    if (addend) addend += block->addend_row_stride;
    if (row_addend) row_addend += p->row_addend_stride;
    if (residual) residual += block->residual_row_stride;
  }
}

#define PACKED_TILE(rows, streams)                                                         \
  static void NAME(packed_tile_##rows##_##streams##_1)(const NAME(packed_block) * block) { \
    NAME(packed_tile)(rows, streams, 1, block);                                            \
  }                                                                                        \
  static void NAME(packed_tile_##rows##_##streams##_2)(const NAME(packed_block) * block) { \
    NAME(packed_tile)(rows, streams, 2, block);                                            \
  }
#define PACKED_TILES(rows, streams) \
  {NAME(packed_tile_##rows##_##streams##_1), NAME(packed_tile_##rows##_##streams##_2)}

// clang-format off
PACKED_TILE(1, 1) PACKED_TILE(1, 4) PACKED_TILE(2, 1) PACKED_TILE(2, 2)
PACKED_TILE(3, 1) PACKED_TILE(4, 1)
#if GEMM_ROWS > 4
PACKED_TILE(5, 1) PACKED_TILE(6, 1)
#endif
#if GEMM_ROWS > 6
PACKED_TILE(7, 1) PACKED_TILE(8, 1) PACKED_TILE(9, 1) PACKED_TILE(10, 1)
PACKED_TILE(11, 1) PACKED_TILE(12, 1) PACKED_TILE(13, 1) PACKED_TILE(14, 1)
#endif

static void (*const NAME(packed_tiles)[GEMM_ROWS][2])(const NAME(packed_block) *) = {
    PACKED_TILES(1, 1), PACKED_TILES(2, 1), PACKED_TILES(3, 1), PACKED_TILES(4, 1),
#if GEMM_ROWS > 4
    PACKED_TILES(5, 1), PACKED_TILES(6, 1),
#endif
#if GEMM_ROWS > 6
    PACKED_TILES(7, 1), PACKED_TILES(8, 1), PACKED_TILES(9, 1), PACKED_TILES(10, 1),
    PACKED_TILES(11, 1), PACKED_TILES(12, 1), PACKED_TILES(13, 1), PACKED_TILES(14, 1),
#endif
};
// Of one and two rows: sums of one panel alone are too few to hide the latency of additions.
static void (*const NAME(packed_tiles_of_four)[2])(const NAME(packed_block) *) =
    PACKED_TILES(1, 4);
static void (*const NAME(packed_tiles_of_two)[2])(const NAME(packed_block) *) =
    PACKED_TILES(2, 2);
// clang-format on

#undef FOUR_DEPTHS
#undef PACKED_TILE
#undef PACKED_TILES

typedef void NAME(packed_tile_function)(const NAME(packed_block) *);

/// Runs a tile over all parts of the depth.
static void NAME(run_parts)(NAME(packed_tile_function) * tile, NAME(packed_block) * block) {
  NAME(vector) totals[GEMM_ROWS * 8];
  const ptrdiff_t depth = block->problem->depth, part = NAME(packed_depth)(depth);
  block->totals = totals;
  block->first_depth = 0;
  do {
    block->depth = depth - block->first_depth < part ? depth - block->first_depth : part;
    tile(block);
    block->first_depth += block->depth;
  } while (block->first_depth < depth);
}

/// Runs a tile at the end of C, where it is wider than what is left.
static void NAME(run_ragged_tile)(
    const NAME(packed_block) * block, ptrdiff_t rows, ptrdiff_t columns) {
  const ptrdiff_t width = columns <= LANES ? LANES : 2 * LANES;
  ELEMENT sums[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
  ELEMENT addend[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64))) = {0};
  const size_t byte_count = (size_t)columns * sizeof(ELEMENT);
  NAME(packed_block) copy = *block;
  copy.c = sums;
  copy.c_row_stride = width;
  if (block->addend) {
    copy.addend = addend;
    copy.addend_row_stride = width;
    for (ptrdiff_t row = 0; row < rows; row++)
      memcpy(addend + row * width, block->addend + row * block->addend_row_stride, byte_count);
  }
  ELEMENT residual[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64))) = {0};
  if (block->residual) {
    copy.residual = residual;
    copy.residual_row_stride = width;
    for (ptrdiff_t row = 0; row < rows; row++)
      memcpy(
          residual + row * width, block->residual + row * block->residual_row_stride, byte_count);
  }
  NAME(run_parts)(NAME(packed_tiles)[rows - 1][width / LANES - 1], &copy);
  for (ptrdiff_t row = 0; row < rows; row++)
    memcpy(block->c + row * block->c_row_stride, sums + row * width, byte_count);
}

/// Computes `streams` panels of the rows from `row` on, and applies the rest of the activation.
static void NAME(run_packed_tile)(
    const graft_gemm_problem *p, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t panel, ptrdiff_t streams,
    const char *next, ptrdiff_t next_step) {
  const ptrdiff_t column = panel * p->panel_columns, left = p->columns - column;
  const NAME(unaligned) *addend = p->addend, *row_addend = p->row_addend;
  const NAME(unaligned) *residual = p->residual;
  NAME(unaligned) *c = (NAME(unaligned) *)p->c + row * p->c_row_stride + column;
  NAME(packed_block)
  block = {
      .problem = p,
      .a = (const NAME(unaligned) *)p->a + row * p->a_row_stride,
      .panel = (const ELEMENT *)p->b + column * p->depth,
      .c = c,
      .c_row_stride = p->c_row_stride,
      .addend = addend ? addend + row * p->addend_row_stride + column : NULL,
      .addend_row_stride = p->addend_row_stride,
      .row_addend = row_addend ? row_addend + row * p->row_addend_stride : NULL,
      .residual = residual ? residual + row * p->residual_row_stride + column : NULL,
      .residual_row_stride = p->residual_row_stride,
      .next = next,
      .next_step = next_step,
  };
  const ptrdiff_t vectors = p->panel_columns / LANES;
  ptrdiff_t columns = streams * p->panel_columns;
  if (left < columns) {
    columns = left;
    NAME(run_ragged_tile)(&block, rows, columns);
  } else if (streams == 4) {
    NAME(run_parts)(NAME(packed_tiles_of_four)[vectors - 1], &block);
  } else if (streams == 2) {
    NAME(run_parts)(NAME(packed_tiles_of_two)[vectors - 1], &block);
  } else {
    NAME(run_parts)(NAME(packed_tiles)[rows - 1][vectors - 1], &block);
  }
  if (!NAME(only_clamps)(&p->activation))
    for (ptrdiff_t r = 0; r < rows; r++)
      NAME(finish)(&p->activation, (ELEMENT *)c + r * p->c_row_stride, columns);
}

static void NAME(packed_product)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_panel,
    ptrdiff_t panel_count) {
  if (row_count <= 0) return;
  const ptrdiff_t tile_count = (row_count + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t byte_count = p->depth * p->panel_columns * (ptrdiff_t)sizeof(ELEMENT);
  const ptrdiff_t end = first_panel + panel_count, wanted = row_count == 1 ? 4 : 2;
  // Whole panels that several are computed of at once.
  const ptrdiff_t full = p->columns / p->panel_columns;
  ptrdiff_t panel = first_panel;
  while (panel < end) {
    if (row_count <= 2 && panel + wanted <= end && panel + wanted <= full) {
      NAME(run_packed_tile)(
          p, first_row, row_count, panel, wanted, (const char *)p->b + panel * byte_count, 0);
      panel += wanted;
      continue;
    }
    // While one panel is multiplied, the next one comes closer: a line in four steps of depth.
    const char *next = (const char *)p->b + (panel + 1 < end ? panel + 1 : panel) * byte_count;
    const char *next_end = next + (panel + 1 < end ? byte_count : 0);
    if (panel + 1 == end && p->next) {
      next = p->next;
      next_end = next + byte_count;
    }
    for (ptrdiff_t tile = 0; tile < tile_count; tile++) {
      const ptrdiff_t start = graft_panel_start(row_count, tile_count, tile);
      const ptrdiff_t rows = graft_panel_start(row_count, tile_count, tile + 1) - start;
      const int prefetches = next < next_end;
      NAME(run_packed_tile)(p, first_row + start, rows, panel, 1, next, prefetches ? 64 : 0);
      if (prefetches) next += p->depth / 4 * 64;
    }
    panel++;
  }
}

static void NAME(pack_panel)(
    const void *untyped_b, ptrdiff_t depth_stride, ptrdiff_t column_stride, ptrdiff_t depth,
    ptrdiff_t columns, ptrdiff_t width, void *untyped_panel) {
  const NAME(unaligned) *b = untyped_b;
  ELEMENT *panel = untyped_panel;
  if (depth_stride == 1) {
    NAME(transpose)(b, column_stride, columns, depth, panel, width);
    return;
  }
  for (ptrdiff_t k = 0; k < depth; k++) {
    for (ptrdiff_t column = 0; column < columns; column++)
      panel[k * width + column] = b[k * depth_stride + column * column_stride];
    for (ptrdiff_t column = columns; column < width; column++) panel[k * width + column] = 0;
  }
}
