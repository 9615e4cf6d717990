// Products whose right matrix is in panels and whose left matrix is read in place; for the required
// definitions see gemm_tile_template.h.

// Tiles that take almost all registers are not unrolled: sums would move between registers.
#if GEMM_ROWS > 6
#define FOUR_DEPTHS _Pragma("clang loop unroll(disable)")
#else
#define FOUR_DEPTHS _Pragma("clang loop unroll(full)")
#endif

// Hides how an address was computed: else it is computed from another one, at each depth.
#define HIDE(address) __asm__("" : "+r"(address))

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
/// registers are left for them. Every third row of A has an address of its own: the other rows are
/// one and two strides behind it, and no address waits for the one before it.
GRAFT_INLINE void NAME(add_packed_products)(
    NAME(vector) sums[GEMM_ROWS][8], const int rows, const int streams, const int vectors,
    const NAME(unaligned) * *thirds, ptrdiff_t a_stride, ptrdiff_t a_step, const ELEMENT *panel,
    ptrdiff_t stream_stride) {
  NAME(vector) b[8];
#pragma unroll
  for (int stream = 0; stream < streams; stream++)
#pragma unroll
    for (int v = 0; v < vectors; v++)
      b[stream * vectors + v] = *(const NAME(vector) *)(panel + stream * stream_stride + v * LANES);
#pragma unroll
  for (int row = 0; row < rows; row++) {
    const NAME(vector) left = (NAME(vector))(ELEMENT)thirds[row / 3][row % 3 * a_stride];
#pragma unroll
    for (int v = 0; v < streams * vectors; v++) sums[row][v] += left * b[v];
  }
#pragma unroll
  for (int third = 0; third * 3 < rows; third++) {
    thirds[third] += a_step;
    HIDE(thirds[third]);
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
  const NAME(unaligned) * thirds[(GEMM_ROWS + 2) / 3];
#pragma unroll
  for (int third = 0; third * 3 < rows; third++) {
    thirds[third] = block->a + block->first_depth * a_step + third * 3 * a_stride;
    HIDE(thirds[third]);
  }
  const ELEMENT *panel = block->panel + block->first_depth * width;
  const char *next = block->next;
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
      NAME(add_packed_products)(
          sums, rows, streams, vectors, thirds, a_stride, a_step, panel, stream_stride);
      panel += width;
    }
  }
#pragma clang loop unroll(disable)
  for (; k < depth; k++) {
    NAME(add_packed_products)(
        sums, rows, streams, vectors, thirds, a_stride, a_step, panel, stream_stride);
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
#undef HIDE
#undef PACKED_TILE
#undef PACKED_TILES

typedef void NAME(packed_tile_function)(const NAME(packed_block) *);

/// Runs a tile at the end of C, where it is wider than what is left.
static void NAME(run_ragged_tile)(
    NAME(packed_tile_function) * tile, const NAME(packed_block) * block, ptrdiff_t rows,
    ptrdiff_t columns, ptrdiff_t width) {
  ELEMENT sums[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64)));
  ELEMENT addend[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64))) = {0};
  ELEMENT residual[GEMM_ROWS * 2 * LANES] __attribute__((aligned(64))) = {0};
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
  if (block->residual) {
    copy.residual = residual;
    copy.residual_row_stride = width;
    for (ptrdiff_t row = 0; row < rows; row++)
      memcpy(
          residual + row * width, block->residual + row * block->residual_row_stride, byte_count);
  }
  tile(&copy);
  for (ptrdiff_t row = 0; row < rows; row++)
    memcpy(block->c + row * block->c_row_stride, sums + row * width, byte_count);
}

/// Computes `streams` panels of the rows from `row` on, over the part of the depth that the block
/// says; the last part applies the rest of the activation.
static void NAME(run_packed_tile)(
    NAME(packed_block) * block, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t panel, ptrdiff_t streams) {
  const graft_gemm_problem *p = block->problem;
  const ptrdiff_t column = panel * p->panel_columns, left = p->columns - column;
  const ptrdiff_t full = streams * p->panel_columns, columns = left < full ? left : full;
  const ptrdiff_t width = columns < full && columns <= LANES ? LANES : p->panel_columns;
  const ptrdiff_t vectors = width / LANES;
  const NAME(unaligned) *addend = p->addend, *row_addend = p->row_addend;
  const NAME(unaligned) *residual = p->residual;
  ELEMENT *c = (ELEMENT *)p->c + row * p->c_row_stride + column;
  block->a = (const NAME(unaligned) *)p->a + row * p->a_row_stride;
  block->panel = (const ELEMENT *)p->b + column * p->depth;
  block->c = c;
  block->addend = addend ? addend + row * p->addend_row_stride + column : NULL;
  block->row_addend = row_addend ? row_addend + row * p->row_addend_stride : NULL;
  block->residual = residual ? residual + row * p->residual_row_stride + column : NULL;
  NAME(packed_tile_function) *tile = NAME(packed_tiles)[rows - 1][vectors - 1];
  if (streams == 4) tile = NAME(packed_tiles_of_four)[vectors - 1];
  if (streams == 2) tile = NAME(packed_tiles_of_two)[vectors - 1];
  const int is_last = block->first_depth + block->depth == p->depth;
  if (is_last && columns < streams * width)
    NAME(run_ragged_tile)(tile, block, rows, columns, width);
  else
    tile(block);
  if (is_last && !NAME(only_clamps)(&p->activation))
    for (ptrdiff_t r = 0; r < rows; r++)
      NAME(finish)(&p->activation, c + r * p->c_row_stride, columns);
}

#ifndef GRAFT_PACKED_GROUP
#define GRAFT_PACKED_GROUP
enum {
  /// The tiles of rows that a part of a panel is multiplied by before the next part, and the panels
  /// that a part of these rows is multiplied by: between parts, sums wait on the stack.
  GRAFT_PACKED_TILES = 144 / GEMM_ROWS,
  GRAFT_PACKED_PANELS = 2,
};
#endif

/// Computes a group of panels for some rows, part after part of the depth: what a part of a panel
/// and of a tile's rows holds stays in the L1 cache, and that part of all rows in the L2 cache.
static void NAME(packed_group)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_panel,
    ptrdiff_t panel_count, ptrdiff_t end, int prefetches) {
  NAME(vector) totals[GRAFT_PACKED_PANELS][GRAFT_PACKED_TILES][GEMM_ROWS * 2];
  const ptrdiff_t tile_count = (row_count + GEMM_ROWS - 1) / GEMM_ROWS;
  const ptrdiff_t byte_width = p->panel_columns * (ptrdiff_t)sizeof(ELEMENT);
  const ptrdiff_t part = NAME(packed_depth)(p->depth);
  NAME(packed_block)
  block = {
      .problem = p,
      .c_row_stride = p->c_row_stride,
      .addend_row_stride = p->addend_row_stride,
      .residual_row_stride = p->residual_row_stride,
  };
  do {
    const ptrdiff_t k = block.first_depth;
    block.depth = p->depth - k < part ? p->depth - k : part;
    const int is_last = k + block.depth == p->depth;
    for (ptrdiff_t i = 0; i < panel_count; i++) {
      // While a part of a panel is multiplied, the next one comes closer: a line in four steps of
      // depth.
      ptrdiff_t next_panel = first_panel + i + 1, next_depth = k;
      if (i + 1 == panel_count) {
        next_panel = is_last ? first_panel + panel_count : first_panel;
        next_depth = is_last ? 0 : k + block.depth;
      }
      const char *next = p->b;
      const char *next_end = next;
      if (prefetches && next_panel < end) {
        next += (next_panel * p->depth + next_depth) * byte_width;
        next_end = next + block.depth * byte_width;
      } else if (prefetches && p->next) {
        next = p->next;
        next_end = next + block.depth * byte_width;
      }
      for (ptrdiff_t tile = 0; tile < tile_count; tile++) {
        const ptrdiff_t start = graft_panel_start(row_count, tile_count, tile);
        const ptrdiff_t rows = graft_panel_start(row_count, tile_count, tile + 1) - start;
        block.totals = totals[i][tile];
        block.next = next;
        block.next_step = next < next_end ? 64 : 0;
        NAME(run_packed_tile)(&block, first_row + start, rows, first_panel + i, 1);
        if (next < next_end) next += block.depth / 4 * 64;
      }
    }
    block.first_depth += block.depth;
  } while (block.first_depth < p->depth);
}

/// Computes `count` whole panels of one or two rows at once.
static void NAME(packed_streams)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t panel,
    ptrdiff_t count) {
  NAME(vector) totals[8];
  const ptrdiff_t part = NAME(packed_depth)(p->depth);
  NAME(packed_block)
  block = {
      .problem = p,
      .c_row_stride = p->c_row_stride,
      .addend_row_stride = p->addend_row_stride,
      .residual_row_stride = p->residual_row_stride,
      .totals = totals,
      .next = p->b,
  };
  do {
    const ptrdiff_t left = p->depth - block.first_depth;
    block.depth = left < part ? left : part;
    NAME(run_packed_tile)(&block, first_row, row_count, panel, count);
    block.first_depth += block.depth;
  } while (block.first_depth < p->depth);
}

static void NAME(packed_product)(
    const graft_gemm_problem *p, ptrdiff_t first_row, ptrdiff_t row_count, ptrdiff_t first_panel,
    ptrdiff_t panel_count) {
  if (row_count <= 0) return;
  const ptrdiff_t end = first_panel + panel_count, wanted = row_count == 1 ? 4 : 2;
  // Whole panels that several are computed of at once.
  const ptrdiff_t full = p->columns / p->panel_columns;
  ptrdiff_t panel = first_panel;
  for (; row_count <= 2 && panel + wanted <= (full < end ? full : end); panel += wanted)
    NAME(packed_streams)(p, first_row, row_count, panel, wanted);
  const ptrdiff_t most = GRAFT_PACKED_TILES * GEMM_ROWS;
  const ptrdiff_t row_parts = (row_count + most - 1) / most;
  for (; panel < end; panel += GRAFT_PACKED_PANELS) {
    const ptrdiff_t left = end - panel;
    const ptrdiff_t count = left < GRAFT_PACKED_PANELS ? left : GRAFT_PACKED_PANELS;
    for (ptrdiff_t row_part = 0; row_part < row_parts; row_part++) {
      const ptrdiff_t start = graft_panel_start(row_count, row_parts, row_part);
      const ptrdiff_t rows = graft_panel_start(row_count, row_parts, row_part + 1) - start;
      NAME(packed_group)(p, first_row + start, rows, panel, count, end, row_part == 0);
    }
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
