// VGG16's layers by themselves: each form of Winograd's method by each way to deal tiles to tasks.

#include <math.h>
#include <stdio.h>

#include "convolution.h"

/// Those with different shapes.
static const layer_shape layers[] = {
    {64, 64, 224, 1},  {64, 128, 112, 0}, {128, 128, 112, 1}, {128, 256, 56, 0},
    {256, 256, 56, 0}, {256, 512, 28, 0}, {512, 512, 28, 0},  {512, 512, 14, 0},
};

enum { MAXIMUM_CANDIDATES = 3 * (MAXIMUM_TILE_CHOICES + 2) };

/// A scheme, with and without its transform of outputs.
typedef struct {
  winograd_layer whole, without_output;
} layer_candidate;

/// What is measured of a scheme, in milliseconds.
enum { ONE_THREAD, ALL_THREADS, INPUT, PRODUCTS, MULTIPLY, MEASURE_COUNT };

static void run_candidate(void *untyped, int index, double *milliseconds) {
  layer_candidate *candidate = (layer_candidate *)untyped + index;
  const int thread_count = options.thread_count;
  double start = now();
  run_layer(&candidate->whole, 1);
  milliseconds[ONE_THREAD] = (now() - start) * 1e3;
  wake_threads(thread_count);
  start = now();
  run_layer(&candidate->whole, thread_count);
  milliseconds[ALL_THREADS] = (now() - start) * 1e3;
  milliseconds[INPUT] = input_seconds(&candidate->whole, thread_count) * 1e3;
  milliseconds[MULTIPLY] = multiply_seconds(&candidate->whole, thread_count) * 1e3;
  run_layer(&candidate->without_output, thread_count);
  milliseconds[PRODUCTS] = multiply_seconds(&candidate->without_output, thread_count) * 1e3;
}

/// Writes the ways to deal tiles of one form to tasks.
static int list_schemes(const layer_shape *shape, ptrdiff_t tile_extent, winograd_scheme *schemes) {
  const ptrdiff_t rows = options.kernels->blocked->product.maximum_rows;
  const ptrdiff_t tile_count = tile_count_of(shape, tile_extent);
  int count = 0;
  const ptrdiff_t usual[] = {rows, 2 * rows};
  const int choice_count = options.tile_choice_count ? options.tile_choice_count : 2;
  for (int i = 0; i < choice_count; i++) {
    winograd_scheme scheme = shared_scheme(tile_extent, TILES_PER_CHUNK);
    scheme.tiles_per_task = options.tile_choice_count ? options.tile_choices[i] : usual[i];
    schemes[count++] = scheme;
  }
  schemes[count++] = shared_scheme(tile_extent, TILES_PER_CHUNK);
  if (tile_count > TILES_PER_CHUNK) schemes[count++] = shared_scheme(tile_extent, tile_count);
  return count;
}

static void print_candidate(const winograd_layer *layer, int is_chosen, const double *measures) {
  const winograd_scheme *scheme = &layer->scheme;
  char tasks[64];
  if (scheme->tiles_per_task)
    snprintf(tasks, sizeof tasks, "%td tiles a task", scheme->tiles_per_task);
  else if (layer->chunk_count == 1)
    snprintf(tasks, sizeof tasks, "all %td tiles shared", layer->tile_count);
  else
    snprintf(tasks, sizeof tasks, "%td tiles shared", layer->largest_chunk);
  printf(
      "%c F(%td)  %-22s %11.2f %11.2f %9.2f %9.2f %9.2f\n", is_chosen ? '*' : ' ',
      scheme->tile_extent, tasks, measures[ONE_THREAD], measures[ALL_THREADS], measures[INPUT],
      measures[PRODUCTS], measures[MULTIPLY] - measures[PRODUCTS]);
}

/// Ends the program unless all candidates compute about the same.
static void require_agreement(
    layer_candidate *candidates, int count, const layer_shape *shape, float *output) {
  const ptrdiff_t size = output_floats(shape);
  float *expected = allocate_floats(size);
  candidates[0].whole.problem.output = expected;
  run_layer(&candidates[0].whole, 1);
  candidates[0].whole.problem.output = output;
  for (int i = 1; i < count; i++) {
    fill_with_random(output, size, -2, -1);
    run_layer(&candidates[i].whole, options.thread_count);
    double difference = 0, magnitude = 0;
    for (ptrdiff_t place = 0; place < size; place++) {
      difference = fmax(difference, fabs((double)output[place] - (double)expected[place]));
      magnitude = fmax(magnitude, fabs((double)expected[place]));
    }
    if (!(difference <= 1e-3 * magnitude))
      fail(EXIT_SOFTWARE, "candidate %d computes something else than the first", i + 1);
  }
  release(expected);
}

static void measure_layer(const layer_shape *shape) {
  static layer_candidate candidates[MAXIMUM_CANDIDATES];
  static double measures[MAXIMUM_CANDIDATES * MEASURE_COUNT];
  float *input = allocate_floats(input_floats(shape));
  fill_with_random(input, input_floats(shape), 0, 1);
  float *output = allocate_floats(output_floats(shape));
  float *weights[3];
  int count = 0;
  ptrdiff_t most_shared = 0, most_of_thread = 0;
  for (int form = 0; form < 3; form++) {
    const ptrdiff_t tile_extent = 2 * (form + 1);
    weights[form] = make_weights(shape, tile_extent, PAGES_DEFAULT);
    winograd_scheme schemes[MAXIMUM_TILE_CHOICES + 2];
    const int scheme_count = list_schemes(shape, tile_extent, schemes);
    for (int i = 0; i < scheme_count; i++) {
      winograd_layer *layer = &candidates[count++].whole;
      make_layer(layer, shape, schemes[i]);
      layer->problem.input = input;
      layer->problem.output = output;
      layer->problem.weights = weights[form];
      most_shared = larger(most_shared, shared_floats(layer));
      most_of_thread = larger(most_of_thread, thread_floats(layer));
    }
  }
  float *shared = allocate_floats(most_shared);
  float *thread_memory = allocate_floats(most_of_thread * options.thread_count);
  for (int i = 0; i < count; i++) {
    winograd_layer *layer = &candidates[i].whole, *other = &candidates[i].without_output;
    layer->shared = shared;
    layer->thread_memory = thread_memory;
    layer->thread_stride = most_of_thread;
    *other = *layer;
    other->problem.form = &other->form;
    skip_output(other);
  }
  require_agreement(candidates, count, shape, output);
  const double spread = measure_in_turns(count, MEASURE_COUNT, run_candidate, candidates, measures);

  printf(
      "%td -> %td channels, %td x %td%s, images: %td (ms; input, products, output: of a thread)\n",
      shape->input_channels, shape->output_channels, shape->extent, shape->extent,
      shape->pools ? ", pool" : "", options.image_count);
  printf(
      "  %-28s %11s %9d thr. %9s %9s %9s\n", "", "1 thread", options.thread_count, "input",
      "products", "output");
  const winograd_scheme chosen = chosen_scheme(shape, chosen_tile_extent(shape));
  for (int i = 0; i < count; i++) {
    const winograd_scheme *scheme = &candidates[i].whole.scheme;
    const int is_chosen = scheme->tile_extent == chosen.tile_extent &&
                          scheme->tiles_per_task == chosen.tiles_per_task &&
                          scheme->tiles_per_chunk == chosen.tiles_per_chunk;
    print_candidate(&candidates[i].whole, is_chosen, measures + i * MEASURE_COUNT);
  }
  print_spread(spread);
  for (int form = 0; form < 3; form++) release(weights[form]);
  release(input);
  release(output);
  release(shared);
  release(thread_memory);
}

void measure_winograd(void) {
  printf("Winograd's method; * is what Graft takes in VGG16\n\n");
  if (options.has_layer) {
    measure_layer(&options.layer);
    return;
  }
  if (options.is_quick) {
    const layer_shape small = {32, 64, 28, 1};
    measure_layer(&small);
    return;
  }
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) measure_layer(&layers[i]);
}
