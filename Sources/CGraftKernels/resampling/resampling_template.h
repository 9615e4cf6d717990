// The resampling kernels over the vector operations of one instruction set.

enum { BLOCK_VECTORS = 4 };

/// `BLOCK_VECTORS` vectors of a sum of rows that start at `slab + indices[tap] * inner`.
GRAFT_INLINE void map_block(
    float *to, const float *slab, const ptrdiff_t *indices, const float *weights,
    ptrdiff_t tap_count, ptrdiff_t inner) {
  vector sums[BLOCK_VECTORS];
  const float *first = slab + indices[0] * inner;
  const vector weight = broadcast(weights[0]);
  for (int part = 0; part < BLOCK_VECTORS; part++)
    sums[part] = multiply(weight, load(first + part * VECTOR_LANES));
  for (ptrdiff_t tap = 1; tap < tap_count; tap++) {
    const float *from = slab + indices[tap] * inner;
    const vector weight = broadcast(weights[tap]);
    for (int part = 0; part < BLOCK_VECTORS; part++)
      sums[part] = multiply_add(weight, load(from + part * VECTOR_LANES), sums[part]);
  }
  for (int part = 0; part < BLOCK_VECTORS; part++) store(to + part * VECTOR_LANES, sums[part]);
}

static void map_axis(
    float *destination, const float *source, const graft_resampling_axis *axis, ptrdiff_t inner,
    ptrdiff_t first_row, ptrdiff_t row_count) {
  for (ptrdiff_t row = first_row; row < first_row + row_count; row++) {
    const ptrdiff_t output = row % axis->output_extent;
    const float *slab = source + row / axis->output_extent * axis->input_extent * inner;
    float *to = destination + row * inner;
    const ptrdiff_t start = axis->starts[output];
    const ptrdiff_t tap_count = axis->starts[output + 1] - start;
    const ptrdiff_t *indices = axis->indices + start;
    const float *weights = (const float *)axis->weights + start;
    if (tap_count == 0) {
      memset(to, 0, (size_t)inner * sizeof(float));
      continue;
    }
    ptrdiff_t i = 0;
    for (; i + BLOCK_VECTORS * VECTOR_LANES <= inner; i += BLOCK_VECTORS * VECTOR_LANES)
      map_block(to + i, slab + i, indices, weights, tap_count, inner);
    for (; i < inner; i += VECTOR_LANES) {
      const ptrdiff_t count = inner - i;
      vector sum =
          multiply(broadcast(weights[0]), load_up_to(slab + indices[0] * inner + i, count));
      for (ptrdiff_t tap = 1; tap < tap_count; tap++) {
        const vector x = load_up_to(slab + indices[tap] * inner + i, count);
        sum = multiply_add(broadcast(weights[tap]), x, sum);
      }
      store_up_to(to + i, count, sum);
    }
  }
}

static void map_rows(
    float *destination, const float *source, const graft_lane_map *map, ptrdiff_t row_count) {
  const ptrdiff_t extent = map->output_extent;
  for (ptrdiff_t row = 0; row < row_count; row++) {
    const graft_lane_group *group = map->groups;
    for (ptrdiff_t output = 0; output < extent; output += VECTOR_LANES, group++) {
      const float *from = source + group->first;
      const ptrdiff_t readable = map->input_extent - group->first;
      const int32_t *indices = map->indices + group->offset;
      const float *weights = map->weights + group->offset;
      vector sum = multiply(load(weights), pick(from, readable, indices, group->span));
      for (int32_t tap = 1; tap < group->tap_count; tap++) {
        indices += VECTOR_LANES;
        weights += VECTOR_LANES;
        sum = multiply_add(load(weights), pick(from, readable, indices, group->span), sum);
      }
      store_up_to(destination + output, extent - output, sum);
    }
    source += map->input_extent;
    destination += extent;
  }
}

static void pick_row(void *destination, const void *source, const graft_lane_map *map) {
  const ptrdiff_t extent = map->output_extent;
  const graft_lane_group *group = map->groups;
  for (ptrdiff_t output = 0; output < extent; output += VECTOR_LANES, group++) {
    const vector picked = pick(
        (const float *)source + group->first, map->input_extent - group->first,
        map->indices + group->offset, group->span);
    store_up_to((float *)destination + output, extent - output, picked);
  }
}

static const graft_resampling_table resampling_table = {
    .lane_count = VECTOR_LANES,
    .map_axis = map_axis,
    .map_rows = map_rows,
    .pick_row = pick_row,
};
