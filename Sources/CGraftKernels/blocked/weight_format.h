#ifndef GRAFT_BLOCKED_WEIGHT_FORMAT_H
#define GRAFT_BLOCKED_WEIGHT_FORMAT_H

#include "graft_blocked.h"
#include "../convert/bfloat16.h"

/// The columns of the widest panel, and the rows of the largest tile.
enum { GRAFT_MAXIMUM_PANEL_COLUMNS = 32, GRAFT_MAXIMUM_ROWS = 14 };

/// The offset in floats of the weight with this number; two bfloat16 weights take the place of one
/// float.
static inline ptrdiff_t graft_weight_floats(
    const graft_blocked_product *product, ptrdiff_t weight_count) {
  return product->weight_format == GRAFT_WEIGHTS_BF16 ? weight_count / 2 : weight_count;
}

/// Rounds two rows of `count` weights, the second after the first, to pairs of bfloat16.
static inline void graft_pack_pairs(const float *rows, ptrdiff_t count, float *target) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint32_t pair =
        graft_bfloat16_bits(rows[i]) | (uint32_t)graft_bfloat16_bits(rows[count + i]) << 16;
    memcpy(target + i, &pair, sizeof pair);
  }
}

#endif
