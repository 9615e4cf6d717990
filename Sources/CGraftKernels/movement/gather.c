#include <string.h>

#include "graft_movement.h"
#include "unaligned.h"

#define FOR_EACH_WIDTH(width, BODY, BODY_BYTES) \
  switch (width) {                              \
    case 1: BODY(element_1); break;             \
    case 2: BODY(element_2); break;             \
    case 4: BODY(element_4); break;             \
    case 8: BODY(element_8); break;             \
    case 16: BODY(element_16); break;           \
    default: BODY_BYTES; break;                 \
  }

void graft_movement_gather_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t offset_count,
    ptrdiff_t slab_step, ptrdiff_t row_bytes, ptrdiff_t first_row, ptrdiff_t row_count) {
  char *to = (char *)destination + first_row * row_bytes;
  const char *slab = (const char *)source + first_row / offset_count * slab_step;
  ptrdiff_t position = first_row % offset_count;
  while (row_count > 0) {
    const ptrdiff_t left = offset_count - position;
    const ptrdiff_t count = row_count < left ? row_count : left;
    const ptrdiff_t *row_offsets = offsets + position;
#define GATHER(type)                          \
  for (ptrdiff_t row = 0; row < count; ++row) \
  ((type *)to)[row] = *(const type *)(slab + row_offsets[row])
    FOR_EACH_WIDTH(row_bytes, GATHER, {
      for (ptrdiff_t row = 0; row < count; ++row)
        memcpy(to + row * row_bytes, slab + row_offsets[row], (size_t)row_bytes);
    })
    to += count * row_bytes;
    slab += slab_step;
    position = 0;
    row_count -= count;
  }
}

void graft_movement_scatter_rows(
    void *destination, const void *source, const ptrdiff_t *offsets, ptrdiff_t source_step,
    ptrdiff_t row_bytes, ptrdiff_t row_count) {
  char *to = destination;
  const char *from = source;
#define SCATTER(type)                             \
  for (ptrdiff_t row = 0; row < row_count; ++row) \
  *(type *)(to + offsets[row]) = *(const type *)(from + row * source_step)
  FOR_EACH_WIDTH(row_bytes, SCATTER, {
    for (ptrdiff_t row = 0; row < row_count; ++row)
      memcpy(to + offsets[row], from + row * source_step, (size_t)row_bytes);
  })
}

static void gather_row(
    char *to, const char *from, const void *fill, ptrdiff_t width, const ptrdiff_t *offsets,
    ptrdiff_t count) {
#define GATHER_OR_FILL(type)            \
  for (ptrdiff_t i = 0; i < count; ++i) \
  ((type *)to)[i] = offsets[i] < 0 ? *(const type *)fill : *(const type *)(from + offsets[i])
  FOR_EACH_WIDTH(width, GATHER_OR_FILL, {
    for (ptrdiff_t i = 0; i < count; ++i)
      memcpy(to + i * width, offsets[i] < 0 ? fill : from + offsets[i], (size_t)width);
  })
}

static void fill_row(char *to, const void *fill, ptrdiff_t width, ptrdiff_t count) {
#define FILL(type) \
  for (ptrdiff_t i = 0; i < count; ++i) ((type *)to)[i] = *(const type *)fill
  FOR_EACH_WIDTH(width, FILL, {
    for (ptrdiff_t i = 0; i < count; ++i) memcpy(to + i * width, fill, (size_t)width);
  })
}

void graft_movement_gather_axes(
    void *destination, const void *source, const void *fill, ptrdiff_t width, ptrdiff_t rank,
    const ptrdiff_t *extents, const ptrdiff_t *offsets, const graft_movement_rows *rows,
    ptrdiff_t first_row, ptrdiff_t row_count) {
  const ptrdiff_t columns = extents[rank - 1], row_bytes = columns * width;
  const ptrdiff_t *column_offsets = offsets;
  for (ptrdiff_t axis = 0; axis < rank - 1; ++axis) column_offsets += extents[axis];
  static const ptrdiff_t nothing[1] = {0};
  const ptrdiff_t run = rank > 1 ? extents[rank - 2] : 1;
  const ptrdiff_t *row_offsets = rank > 1 ? column_offsets - run : nothing;
  const ptrdiff_t end = first_row + row_count;
  ptrdiff_t row = first_row;
  while (row < end) {
    // Rows along the last axis but one.
    const char *base = source;
    const ptrdiff_t *table = row_offsets;
    ptrdiff_t rest = row / run;
    int is_outside = 0;
    for (ptrdiff_t axis = rank - 3; axis >= 0; --axis) {
      table -= extents[axis];
      const ptrdiff_t offset = table[rest % extents[axis]];
      rest /= extents[axis];
      if (offset < 0)
        is_outside = 1;
      else
        base += offset;
    }
    ptrdiff_t last = -1;
    for (ptrdiff_t place = row % run; place < run && row < end; ++place, ++row) {
      char *to = (char *)destination + row * row_bytes;
      const ptrdiff_t offset = row_offsets[place];
      if (is_outside || offset < 0) fill_row(to, fill, width, columns);
      // Consecutive rows often have the same source row.
      else if (offset == last)
        memcpy(to, to - row_bytes, (size_t)row_bytes);
      else if (rows)
        rows->pick_row(to, base + offset, rows->map);
      else
        gather_row(to, base + offset, fill, width, column_offsets, columns);
      last = offset;
    }
  }
}
