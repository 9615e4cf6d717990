// Local response normalization of the blocked layout.

#include "response.h"

/// base^-beta times x
GRAFT_INLINE block divide_by_power(block x, block base, float beta) {
  if (beta == 0.75f) {
    const block root = __builtin_elementwise_sqrt(base);
    return x / (root * __builtin_elementwise_sqrt(root));
  }
  block power;
  for (int lane = 0; lane < GRAFT_BLOCK; lane++) power[lane] = powf(base[lane], -beta);
  return x * power;
}

/// Writes the squares of all channels of some positions.
static void square_channels(
    const graft_blocked_response *r, const float *x, ptrdiff_t count, float *squares) {
  const ptrdiff_t row_size = response_row_size(r), filled = whole_blocks(r->channels);
  for (ptrdiff_t channel = 0; channel < filled; channel += GRAFT_BLOCK)
    for (ptrdiff_t i = 0; i < count; i++) {
      const block value = load_block(x + channel * r->position_count + i * GRAFT_BLOCK);
      store_block(squares + i * row_size + channel, value * value);
    }
  if (filled == r->channels) return;
  for (ptrdiff_t i = 0; i < count; i++)
    memset(squares + i * row_size + r->channels, 0, (size_t)(filled - r->channels) * sizeof(float));
}

static void divide_responses(
    const graft_blocked_response *r, const float *x, ptrdiff_t first_position, ptrdiff_t count,
    float *scratch, float *y) {
  const ptrdiff_t row_size = response_row_size(r), filled = whole_blocks(r->channels);
  const ptrdiff_t front = whole_blocks(r->before);
  for (ptrdiff_t i = 0; i < RESPONSE_POSITIONS; i++) {
    float *row = scratch + i * row_size;
    memset(row, 0, (size_t)front * sizeof(float));
    memset(row + front + filled, 0, (size_t)(row_size - front - filled) * sizeof(float));
  }
  for (ptrdiff_t start = 0; start < count; start += RESPONSE_POSITIONS) {
    const ptrdiff_t rest = count - start;
    const ptrdiff_t positions = rest < RESPONSE_POSITIONS ? rest : RESPONSE_POSITIONS;
    const ptrdiff_t place = (first_position + start) * GRAFT_BLOCK;
    square_channels(r, x + place, positions, scratch + front);
    for (ptrdiff_t channel = 0; channel < filled; channel += GRAFT_BLOCK)
      for (ptrdiff_t i = 0; i < positions; i++) {
        const float *squares = scratch + (i * row_size + front + channel - r->before);
        block sum = load_block(squares);
        for (ptrdiff_t k = 1; k <= r->before + r->after; k++) sum += load_block(squares + k);
        const ptrdiff_t index = place + channel * r->position_count + i * GRAFT_BLOCK;
        store_block(
            y + index, divide_by_power(load_block(x + index), r->bias + r->factor * sum, r->beta));
      }
  }
}
