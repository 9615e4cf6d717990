// Blocks assembled from channels of other blocks.

#if HAS_AVX512
/// The lanes of a block that come from one block of the image.
typedef struct {
  const float *source;
  __m512i order;
  __mmask16 lanes;
} lane_source;
#endif

static void gather_channels(
    const float *image, ptrdiff_t position_count, const int32_t *channels, float *y) {
  const ptrdiff_t block_size = position_count * GRAFT_BLOCK;
#if HAS_AVX512
  lane_source sources[GRAFT_BLOCK];
  int source_count = 0;
  for (int lane = 0; lane < GRAFT_BLOCK; lane++) {
    if (channels[lane] < 0) continue;
    const float *source = image + channels[lane] / GRAFT_BLOCK * block_size;
    int i = 0;
    while (i < source_count && sources[i].source != source) i++;
    if (i == source_count) {
      sources[i] = (lane_source){source, _mm512_setzero_si512(), 0};
      source_count++;
    }
    ((int32_t *)&sources[i].order)[lane] = channels[lane] % GRAFT_BLOCK;
    sources[i].lanes |= (__mmask16)(1u << lane);
  }
  for (ptrdiff_t position = 0; position < block_size; position += GRAFT_BLOCK) {
    __m512 result = _mm512_setzero_ps();
    for (int i = 0; i < source_count; i++)
      result = _mm512_mask_permutexvar_ps(
          result, sources[i].lanes, sources[i].order,
          _mm512_loadu_ps(sources[i].source + position));
    _mm512_storeu_ps(y + position, result);
  }
#else
  static const float zero = 0;
  const float *sources[GRAFT_BLOCK];
  ptrdiff_t steps[GRAFT_BLOCK];
  for (ptrdiff_t lane = 0; lane < GRAFT_BLOCK; lane++) {
    const ptrdiff_t channel = channels[lane];
    sources[lane] =
        channel < 0 ? &zero : image + channel / GRAFT_BLOCK * block_size + channel % GRAFT_BLOCK;
    steps[lane] = channel < 0 ? 0 : 1;
  }
  for (ptrdiff_t position = 0; position < block_size; position += GRAFT_BLOCK)
    for (ptrdiff_t lane = 0; lane < GRAFT_BLOCK; lane++)
      y[position + lane] = sources[lane][position * steps[lane]];
#endif
}
