// Scaling and shifting each channel.

// The number of positions that stay in the L1 cache until their activation is computed.
enum { POSITIONS_PER_ACTIVATION = 64 };

static void scale_positions(
    const float *x, const float *scale, const float *shift, const graft_activation *activation,
    ptrdiff_t count, float *y) {
  const block scales = load_block(scale), shifts = load_block(shift);
  const block lowest = (float)activation->alpha, highest = (float)activation->beta;
  if (only_clamps_f32(activation)) {
    for (ptrdiff_t i = 0; i < count * GRAFT_BLOCK; i += GRAFT_BLOCK)
      store_block(y + i, clamp_block(load_block(x + i) * scales + shifts, lowest, highest));
    return;
  }
  for (ptrdiff_t start = 0; start < count; start += POSITIONS_PER_ACTIVATION) {
    const ptrdiff_t rest = count - start;
    const ptrdiff_t size =
        (rest < POSITIONS_PER_ACTIVATION ? rest : POSITIONS_PER_ACTIVATION) * GRAFT_BLOCK;
    for (ptrdiff_t i = 0; i < size; i += GRAFT_BLOCK)
      store_block(y + i, load_block(x + i) * scales + shifts);
    activate_f32(activation, y, size);
    x += size;
    y += size;
  }
}
