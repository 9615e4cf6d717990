// Converts between the blocked layout and planes of single channels, 16 positions at a time.

// Two shuffles of 128-bit quarters, for which all instruction sets have instructions.
#define EVEN_QUARTERS(x, y) \
  __builtin_shufflevector(x, y, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define ODD_QUARTERS(x, y) \
  __builtin_shufflevector(x, y, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)

/// Transposes a matrix of 16 x 16.
GRAFT_INLINE void transpose(block *x) {
  block t[GRAFT_BLOCK];
#pragma clang loop unroll(full)
  for (int i = 0; i < GRAFT_BLOCK; i += 2) {
    t[i] = __builtin_shufflevector(
        x[i], x[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    t[i + 1] = __builtin_shufflevector(
        x[i], x[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  // Quarter q of row i + k becomes rows i to i + 3 of column 4 * q + k.
#pragma clang loop unroll(full)
  for (int i = 0; i < GRAFT_BLOCK; i += 4)
#pragma clang loop unroll(full)
    for (int k = 0; k < 2; k++) {
      x[i + 2 * k] = __builtin_shufflevector(
          t[i + k], t[i + k + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
      x[i + 2 * k + 1] = __builtin_shufflevector(
          t[i + k], t[i + k + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
#pragma clang loop unroll(full)
  for (int k = 0; k < 4; k++) {
    const block even_low = EVEN_QUARTERS(x[k], x[k + 4]), odd_low = ODD_QUARTERS(x[k], x[k + 4]);
    const block even_high = EVEN_QUARTERS(x[k + 8], x[k + 12]);
    const block odd_high = ODD_QUARTERS(x[k + 8], x[k + 12]);
    x[k] = EVEN_QUARTERS(even_low, even_high);
    x[k + 4] = EVEN_QUARTERS(odd_low, odd_high);
    x[k + 8] = ODD_QUARTERS(even_low, even_high);
    x[k + 12] = ODD_QUARTERS(odd_low, odd_high);
  }
}

/// Moves 16 positions of `channels` (a constant 16 where they fill the block) channels.
GRAFT_INLINE void positions_to_blocks(
    const float *x, ptrdiff_t channel_stride, const ptrdiff_t channels, float *y) {
  block rows[GRAFT_BLOCK];
#pragma clang loop unroll(full)
  for (ptrdiff_t c = 0; c < GRAFT_BLOCK; c++)
    rows[c] = c < channels ? load_block(x + c * channel_stride) : 0;
  transpose(rows);
#pragma clang loop unroll(full)
  for (ptrdiff_t i = 0; i < GRAFT_BLOCK; i++) store_block(y + i * GRAFT_BLOCK, rows[i]);
}

GRAFT_INLINE void positions_from_blocks(
    const float *x, const ptrdiff_t channels, ptrdiff_t channel_stride, float *y) {
  block rows[GRAFT_BLOCK];
#pragma clang loop unroll(full)
  for (ptrdiff_t i = 0; i < GRAFT_BLOCK; i++) rows[i] = load_block(x + i * GRAFT_BLOCK);
  transpose(rows);
#pragma clang loop unroll(full)
  for (ptrdiff_t c = 0; c < GRAFT_BLOCK; c++)
    if (c < channels) store_block(y + c * channel_stride, rows[c]);
}

/// Moves fewer than 16 positions.
static void few_to_blocks(
    const float *x, ptrdiff_t channel_stride, ptrdiff_t channels, ptrdiff_t count, float *y) {
  block rows[GRAFT_BLOCK] = {0};
  for (ptrdiff_t c = 0; c < channels; c++)
    memcpy(&rows[c], x + c * channel_stride, (size_t)count * sizeof(float));
  transpose(rows);
  memcpy(y, rows, (size_t)count * sizeof(block));
}

static void few_from_blocks(
    const float *x, ptrdiff_t count, ptrdiff_t channels, ptrdiff_t channel_stride, float *y) {
  block rows[GRAFT_BLOCK] = {0};
  memcpy(rows, x, (size_t)count * sizeof(block));
  transpose(rows);
  for (ptrdiff_t c = 0; c < channels; c++)
    memcpy(y + c * channel_stride, &rows[c], (size_t)count * sizeof(float));
}

static void to_blocks(
    const float *x, ptrdiff_t channel_stride, ptrdiff_t channels, ptrdiff_t count, float *y) {
  if (count < GRAFT_BLOCK) {
    few_to_blocks(x, channel_stride, channels, count, y);
    return;
  }
  for (ptrdiff_t i = 0; i < count; i += GRAFT_BLOCK) {
    // The last positions are moved together with some of those before them.
    const ptrdiff_t start = i + GRAFT_BLOCK <= count ? i : count - GRAFT_BLOCK;
    if (channels == GRAFT_BLOCK)
      positions_to_blocks(x + start, channel_stride, GRAFT_BLOCK, y + start * GRAFT_BLOCK);
    else
      positions_to_blocks(x + start, channel_stride, channels, y + start * GRAFT_BLOCK);
  }
}

static void from_blocks(
    const float *x, ptrdiff_t count, ptrdiff_t channels, ptrdiff_t channel_stride, float *y) {
  if (count < GRAFT_BLOCK) {
    few_from_blocks(x, count, channels, channel_stride, y);
    return;
  }
  for (ptrdiff_t i = 0; i < count; i += GRAFT_BLOCK) {
    const ptrdiff_t start = i + GRAFT_BLOCK <= count ? i : count - GRAFT_BLOCK;
    if (channels == GRAFT_BLOCK)
      positions_from_blocks(x + start * GRAFT_BLOCK, GRAFT_BLOCK, channel_stride, y + start);
    else
      positions_from_blocks(x + start * GRAFT_BLOCK, channels, channel_stride, y + start);
  }
}
