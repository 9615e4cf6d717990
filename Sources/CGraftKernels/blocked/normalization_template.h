// Statistics of channels over many positions, for batch normalization and its gradient. Sums are
// doubles of the deviations from an origin, so that the variance is exact to the last bits of a
// float, even if the mean is far from 0.

typedef double unaligned_wide_block __attribute__((ext_vector_type(16), aligned(8)));

GRAFT_INLINE void add_to_sum(double *sum, wide_block x) { *(unaligned_wide_block *)sum += x; }

static void add_deviations(const float *x, const float *origin, ptrdiff_t count, double *sums) {
  const block origins = load_block(origin);
  wide_block sum = 0, squares = 0;
  for (ptrdiff_t i = 0; i < count * GRAFT_BLOCK; i += GRAFT_BLOCK) {
    const wide_block deviation = __builtin_convertvector(load_block(x + i) - origins, wide_block);
    sum += deviation;
    squares += deviation * deviation;
  }
  add_to_sum(sums, sum);
  add_to_sum(sums + GRAFT_BLOCK, squares);
}

static void add_gradient_deviations(
    const float *x, const float *origin, const float *gradient, ptrdiff_t count, double *sums) {
  const block origins = load_block(origin);
  wide_block sum = 0, products = 0;
  for (ptrdiff_t i = 0; i < count * GRAFT_BLOCK; i += GRAFT_BLOCK) {
    const wide_block arriving = __builtin_convertvector(load_block(gradient + i), wide_block);
    const wide_block deviation = __builtin_convertvector(load_block(x + i) - origins, wide_block);
    sum += arriving;
    products += arriving * deviation;
  }
  add_to_sum(sums, sum);
  add_to_sum(sums + GRAFT_BLOCK, products);
}

static void combine_deviations(
    const float *x, const float *origin, const float *gradient, const float *gradient_factor,
    const float *deviation_factor, const float *shift, ptrdiff_t count, float *y) {
  const block origins = load_block(origin), shifts = load_block(shift);
  const block factors = load_block(gradient_factor), slopes = load_block(deviation_factor);
  for (ptrdiff_t i = 0; i < count * GRAFT_BLOCK; i += GRAFT_BLOCK)
    store_block(
        y + i,
        load_block(gradient + i) * factors + ((load_block(x + i) - origins) * slopes + shifts));
}
