#include "graft_quantized.h"

void graft_pack_integer_weights(
    const graft_integer_weights *w, ptrdiff_t first_panel, ptrdiff_t panel_count) {
  const uint8_t *weights = w->weights;
  const uint8_t flip = w->is_signed ? 0 : 0x80;
  const ptrdiff_t width = w->panel_columns, group = w->group_depth;
  for (ptrdiff_t panel = first_panel; panel < first_panel + panel_count; panel++) {
    const ptrdiff_t column = panel * width, left = w->column_count - column;
    const ptrdiff_t columns = left < width ? left : width;
    int8_t *target = w->panels + panel * w->depth * width;
    int32_t *sums = w->sums + column;
    for (ptrdiff_t c = 0; c < width; c++) sums[c] = 0;
    for (ptrdiff_t k = 0; k < w->depth; k++) {
      // Depth k of a group is every `group`th element.
      int8_t *place = target + k / group * group * width + k % group;
      const ptrdiff_t offset = w->offsets[k];
      if (offset < 0) {
        for (ptrdiff_t c = 0; c < width; c++) place[c * group] = 0;
        continue;
      }
      const uint8_t *source = weights + offset + column * w->column_stride;
      for (ptrdiff_t c = 0; c < columns; c++) {
        const int8_t weight = (int8_t)(source[c * w->column_stride] ^ flip);
        place[c * group] = weight;
        sums[c] += weight;
      }
      for (ptrdiff_t c = columns; c < width; c++) place[c * group] = 0;
    }
  }
}
