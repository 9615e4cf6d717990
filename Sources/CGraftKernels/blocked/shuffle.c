#include "graft_blocked.h"

void graft_blocked_gather_channels(
    const float *image, ptrdiff_t position_count, const int32_t *channels, ptrdiff_t first_position,
    ptrdiff_t end_position, float *block) {
  static const float zero = 0;
  const float *sources[GRAFT_BLOCK];
  ptrdiff_t steps[GRAFT_BLOCK];
  for (ptrdiff_t lane = 0; lane < GRAFT_BLOCK; lane++) {
    const ptrdiff_t channel = channels[lane];
    sources[lane] = channel < 0 ? &zero
                                : image + channel / GRAFT_BLOCK * position_count * GRAFT_BLOCK +
                                      channel % GRAFT_BLOCK;
    steps[lane] = channel < 0 ? 0 : GRAFT_BLOCK;
  }
  for (ptrdiff_t i = first_position; i < end_position; i++)
    for (ptrdiff_t lane = 0; lane < GRAFT_BLOCK; lane++)
      block[i * GRAFT_BLOCK + lane] = sources[lane][i * steps[lane]];
}
