// Dispatches a tile by its extents. The file that includes this defines
//   PRODUCT(base)   the names of the kind of product whose `multiply_rows` it included
// and includes blocked_tile_template.h.

#define ROWS_CASE(rows)                                 \
  case rows:                                            \
    if (columns > GRAFT_BLOCK)                          \
      PRODUCT(multiply_rows)(tile, rows, PANEL_BLOCKS); \
    else                                                \
      PRODUCT(multiply_rows)(tile, rows, 1);            \
    break;

static void PRODUCT(multiply)(const graft_blocked_tile *tile, ptrdiff_t rows, ptrdiff_t columns) {
  switch (rows) {
    ROWS_CASE(1)
    ROWS_CASE(2)
    ROWS_CASE(3)
#if BLOCKED_ROWS > 3
    ROWS_CASE(4)
    ROWS_CASE(5)
    ROWS_CASE(6)
#endif
#if BLOCKED_ROWS > 6
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
  if (!tile->finishes || only_clamps_f32(tile->activation)) return;
  for (ptrdiff_t j = 0; j * GRAFT_BLOCK < columns; j++)
    finish_rows(tile->activation, tile->c + j * tile->c_block_stride, tile->c_row_stride, rows);
}
#undef ROWS_CASE
