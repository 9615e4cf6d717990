// The register tile of the blocked layout, with its weights in each cache and in memory.

#include <stdio.h>

#include "harness.h"
#include "peak.h"

/// Depth of a product: the weights of a panel are half of a small L1 cache then.
enum { TILE_DEPTH = 128 };

typedef struct {
  const graft_blocked_product *product;
  ptrdiff_t rows;
  /// Panels that each thread takes in turn; 0 for multiply-adds in registers.
  ptrdiff_t panel_count;
  int thread_count;
} tile_candidate;

typedef struct {
  tile_candidate candidates[256];
  int count;
  const float *weights;
  /// For each thread.
  float *a[MAXIMUM_THREADS], *c[MAXIMUM_THREADS];
  ptrdiff_t call_count, peak_rounds;
  int candidate;
} tile_context;

static ptrdiff_t panel_floats(const graft_blocked_product *product) {
  const ptrdiff_t count = TILE_DEPTH * product->panel_columns;
  return product->weight_format == GRAFT_WEIGHTS_BF16 ? count / 2 : count;
}

static void multiply_tiles(void *untyped, int thread) {
  const tile_context *context = untyped;
  const tile_candidate *candidate = &context->candidates[context->candidate];
  if (candidate->panel_count == 0) {
    multiply_and_add(context->peak_rounds);
    return;
  }
  const graft_activation activation = {GRAFT_ACTIVATION_CLAMP, GRAFT_ROUNDING_NONE, 0, 1};
  const ptrdiff_t floats = panel_floats(candidate->product);
  // As Winograd's method has its transformed inputs and its products.
  graft_blocked_tile tile = {
      .a = context->a[thread],
      .a_row_stride = GRAFT_BLOCK,
      .a_step = candidate->rows * GRAFT_BLOCK,
      .step_count = TILE_DEPTH / GRAFT_BLOCK,
      .step_depth = GRAFT_BLOCK,
      .c = context->c[thread],
      .c_row_stride = GRAFT_BLOCK,
      .c_block_stride = candidate->rows * GRAFT_BLOCK,
      .activation = &activation,
  };
  const float *weights = context->weights + thread * candidate->panel_count * floats;
  ptrdiff_t panel = 0;
  for (ptrdiff_t call = 0; call < context->call_count; call++) {
    tile.panel = weights + panel * floats;
    candidate->product->multiply(&tile, candidate->rows, candidate->product->panel_columns);
    if (++panel == candidate->panel_count) panel = 0;
  }
}

static void run_tile(void *untyped, int index, double *rate) {
  tile_context *context = untyped;
  const tile_candidate *candidate = &context->candidates[index];
  context->candidate = index;
  wake_threads(candidate->thread_count);
  const double start = now();
  run_on_threads(candidate->thread_count, multiply_tiles, context);
  const double seconds = now() - start;
  const double operations = candidate->panel_count
                                ? 2.0 * TILE_DEPTH * (double)candidate->product->panel_columns *
                                      (double)candidate->rows * (double)context->call_count
                                : (double)operations_per_round() * (double)context->peak_rounds;
  *rate = operations / seconds * 1e-9;
}

static void print_product(
    const char *name, const tile_context *context, const double *rates, int first, int place_count,
    int row_choice_count) {
  const graft_blocked_product *product = context->candidates[first].product;
  printf(
      "Register tile, %s, up to %td x %td, GFLOP/s a thread (%% of multiply-adds in registers)\n",
      name, product->maximum_rows, product->panel_columns);
  printf("  %7s %4s", "threads", "rows");
  const char *places[] = {"L1", "L2", "L3", "memory"};
  for (int place = 0; place < place_count; place++) printf("  weights in %-6s", places[place]);
  printf("\n");
  int counts[2];
  const int count_count = thread_counts(counts);
  for (int i = 0; i < count_count; i++)
    for (int row = 0; row < row_choice_count; row++) {
      const int line = first + (i * row_choice_count + row) * place_count;
      printf("  %7d %4td", counts[i], context->candidates[line].rows);
      for (int place = 0; place < place_count; place++)
        printf("  %9.0f (%3.0f %%)", rates[line + place], 100 * rates[line + place] / rates[i]);
      printf("\n");
    }
}

/// Adds a candidate for each number of threads and of rows and each place. Returns how many numbers
/// of rows there are.
static int add_product(
    tile_context *context, const graft_blocked_product *product, const ptrdiff_t *place_sizes,
    int place_count) {
  const ptrdiff_t all_rows[] = {4, 5, 6, 12, 13, 14};
  int counts[2], row_choice_count = 0;
  const int count_count = thread_counts(counts);
  for (int i = 0; i < count_count; i++) {
    row_choice_count = 0;
    for (size_t row = 0; row < sizeof all_rows / sizeof *all_rows; row++) {
      if (all_rows[row] > product->maximum_rows) continue;
      row_choice_count += 1;
      for (int place = 0; place < place_count; place++) {
        const int is_shared = place >= 2;
        const ptrdiff_t bytes = place_sizes[place] / (is_shared ? counts[i] : 1);
        const ptrdiff_t panel_bytes = panel_floats(product) * (ptrdiff_t)sizeof(float);
        context->candidates[context->count++] =
            (tile_candidate){product, all_rows[row], larger(1, bytes / panel_bytes), counts[i]};
      }
    }
  }
  return row_choice_count;
}

/// Fills memory with weights from 1/2 to 1 that are such in either format.
static void fill_weights(float *weights, ptrdiff_t count) {
  fill_with_random(weights, count, 0.5f, 1);
  uint32_t *bits = (uint32_t *)weights;
  for (ptrdiff_t i = 0; i < count; i++) bits[i] = (bits[i] & 0xffff007f) | 0x3f00;
}

void measure_tile(void) {
  const ptrdiff_t divisor = options.is_quick ? 20 : 1;
  const ptrdiff_t place_sizes[] = {0, cache_size(2) / 2, third_level_area(), memory_area()};
  enum { PLACE_COUNT = sizeof place_sizes / sizeof *place_sizes };
  static tile_context context;
  context.call_count = 16384 / divisor;
  context.peak_rounds = 4000000 / divisor;
  const graft_blocked_product *product = &options.kernels->blocked->product;
  const graft_blocked_product *narrow =
      graft_blocked_bf16_product(options.instruction_set, graft_cpu_bf16_instructions());

  int counts[2];
  const int count_count = thread_counts(counts);
  context.count = 0;
  for (int i = 0; i < count_count; i++)
    context.candidates[context.count++] = (tile_candidate){.thread_count = counts[i]};
  const int first = context.count;
  const int row_choice_count = add_product(&context, product, place_sizes, PLACE_COUNT);
  const int first_narrow = context.count;
  const int narrow_choice_count =
      narrow ? add_product(&context, narrow, place_sizes, PLACE_COUNT) : 0;

  const ptrdiff_t floats =
      larger(memory_area(), larger(third_level_area(), options.thread_count * cache_size(2))) / 4 +
      options.thread_count * panel_floats(product);
  float *weights = allocate_floats(floats);
  fill_weights(weights, floats);
  context.weights = weights;
  for (int thread = 0; thread < options.thread_count; thread++) {
    const ptrdiff_t a_count = product->maximum_rows * TILE_DEPTH;
    const ptrdiff_t c_count = product->maximum_rows * product->panel_columns;
    context.a[thread] = allocate_floats(a_count);
    fill_with_random(context.a[thread], a_count, -1, 1);
    context.c[thread] = allocate_floats(c_count);
  }
  double rates[256];
  const double spread = measure_in_turns(context.count, 1, run_tile, &context, rates);
  print_product("float", &context, rates, first, PLACE_COUNT, row_choice_count);
  if (narrow)
    print_product("bfloat16", &context, rates, first_narrow, PLACE_COUNT, narrow_choice_count);
  for (int i = 0; i < count_count; i++)
    printf(
        "  Multiply-adds in registers, %d thread%s: %.0f GFLOP/s a thread.\n", counts[i],
        counts[i] > 1 ? "s" : "", rates[i]);
  print_spread(spread);
  for (int thread = 0; thread < options.thread_count; thread++) {
    release(context.a[thread]);
    release(context.c[thread]);
  }
  release(weights);
}
