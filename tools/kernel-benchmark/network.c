// VGG16's Winograd layers one after the other, as they are and with one thing done otherwise.

#include <stdio.h>

#include "convolution.h"

enum { MAXIMUM_LAYERS = 12 };

static const layer_shape vgg16[MAXIMUM_LAYERS] = {
    {64, 64, 224, 1},  {64, 128, 112, 0}, {128, 128, 112, 1}, {128, 256, 56, 0},
    {256, 256, 56, 0}, {256, 256, 56, 1}, {256, 512, 28, 0},  {512, 512, 28, 0},
    {512, 512, 28, 1}, {512, 512, 14, 0}, {512, 512, 14, 0},  {512, 512, 14, 1},
};
static const layer_shape small[] = {{32, 32, 28, 0}, {32, 64, 28, 1}, {64, 64, 14, 0}};

enum {
  AS_GRAFT,
  WITHOUT_OUTPUT,
  TWO_PANELS,
  ALL_SHARED,
  TILE_BY_TILE,
  ONLY_F4,
  ONLY_F6,
  HUGE_PAGES,
  VARIANT_COUNT
};
static const char *const variant_names[VARIANT_COUNT] = {
    [AS_GRAFT] = "as Graft",
    [WITHOUT_OUTPUT] = "without output transforms",
    [TWO_PANELS] = "two panels of weights at a time",
    [ALL_SHARED] = "all tiles of a layer shared",
    [TILE_BY_TILE] = "inputs tile after tile",
    [ONLY_F4] = "F(4) in all layers",
    [ONLY_F6] = "F(6) in all layers",
    [HUGE_PAGES] = "all memory in huge pages",
};

/// What is measured of a variant, in milliseconds: the whole, then for each layer.
enum {
  ALL_THREADS,
  ONE_THREAD,
  LAYERS,
  LAYERS_ONE_THREAD = LAYERS + MAXIMUM_LAYERS,
  INPUTS = LAYERS_ONE_THREAD + MAXIMUM_LAYERS,
  MULTIPLIES = INPUTS + MAXIMUM_LAYERS,
  MEASURE_COUNT = MULTIPLIES + MAXIMUM_LAYERS
};

typedef struct {
  const layer_shape *shapes;
  int layer_count;
  winograd_layer layers[VARIANT_COUNT][MAXIMUM_LAYERS];
} network;

static double run_layers(winograd_layer *layers, int count, int thread_count, double *times) {
  wake_threads(thread_count);
  const double first = now();
  double start = first;
  for (int i = 0; i < count; i++) {
    run_layer(&layers[i], thread_count);
    const double end = now();
    times[i] = (end - start) * 1e3;
    start = end;
  }
  return (start - first) * 1e3;
}

static void run_variant(void *untyped, int variant, double *milliseconds) {
  network *net = untyped;
  winograd_layer *layers = net->layers[variant];
  milliseconds[ONE_THREAD] =
      run_layers(layers, net->layer_count, 1, milliseconds + LAYERS_ONE_THREAD);
  milliseconds[ALL_THREADS] =
      run_layers(layers, net->layer_count, options.thread_count, milliseconds + LAYERS);
  for (int i = 0; i < net->layer_count; i++) {
    milliseconds[INPUTS + i] = input_seconds(&layers[i], options.thread_count) * 1e3;
    milliseconds[MULTIPLIES + i] = multiply_seconds(&layers[i], options.thread_count) * 1e3;
  }
}

static void make_variant(network *net, int variant) {
  for (int i = 0; i < net->layer_count; i++) {
    const layer_shape *shape = &net->shapes[i];
    const ptrdiff_t extent = variant == ONLY_F4   ? 4
                             : variant == ONLY_F6 ? 6
                                                  : chosen_tile_extent(shape);
    winograd_scheme scheme = chosen_scheme(shape, extent);
    if (variant == TWO_PANELS) scheme.panels_per_call = 2;
    if (variant == TILE_BY_TILE) scheme.transforms_tile_by_tile = 1;
    if (variant == ALL_SHARED) scheme = shared_scheme(extent, tile_count_of(shape, extent));
    make_layer(&net->layers[variant][i], shape, scheme);
    if (variant == WITHOUT_OUTPUT) skip_output(&net->layers[variant][i]);
  }
}

/// The memory of all variants, or of the one with huge pages. Weights lie by tile extent.
typedef struct {
  float *input, *images[2], *shared, *thread_memory;
  float *weights[3][MAXIMUM_LAYERS];
} network_memory;

static void give_memory(
    network *net, int first_variant, int end_variant, page_kind pages, network_memory *memory) {
  ptrdiff_t image = 0, shared = 0, of_thread = 0;
  for (int variant = first_variant; variant < end_variant; variant++)
    for (int i = 0; i < net->layer_count; i++) {
      image = larger(image, output_floats(&net->shapes[i]));
      shared = larger(shared, shared_floats(&net->layers[variant][i]));
      of_thread = larger(of_thread, thread_floats(&net->layers[variant][i]));
    }
  const ptrdiff_t width = sizeof(float), input_count = input_floats(&net->shapes[0]);
  memory->input = allocate(input_count * width, pages);
  fill_with_random(memory->input, input_count, 0, 1);
  memory->images[0] = allocate(image * width, pages);
  memory->images[1] = allocate(image * width, pages);
  memory->shared = allocate(shared * width, pages);
  memory->thread_memory = allocate(of_thread * options.thread_count * width, pages);
  for (int variant = first_variant; variant < end_variant; variant++)
    for (int i = 0; i < net->layer_count; i++) {
      winograd_layer *layer = &net->layers[variant][i];
      float **weights = &memory->weights[layer->scheme.tile_extent / 2 - 1][i];
      if (!*weights) *weights = make_weights(&net->shapes[i], layer->scheme.tile_extent, pages);
      layer->problem.weights = *weights;
      layer->problem.input = i == 0 ? memory->input : memory->images[(i - 1) % 2];
      layer->problem.output = memory->images[i % 2];
      layer->shared = memory->shared;
      layer->thread_memory = memory->thread_memory;
      layer->thread_stride = of_thread;
    }
}

static void take_memory(network_memory *memory) {
  release(memory->input);
  release(memory->images[0]);
  release(memory->images[1]);
  release(memory->shared);
  release(memory->thread_memory);
  for (int form = 0; form < 3; form++)
    for (int i = 0; i < MAXIMUM_LAYERS; i++) release(memory->weights[form][i]);
}

static void print_layers(const network *net, const double *medians) {
  printf(
      "  %-28s %-22s %9s %6d thr. %9s %9s %9s\n", "layer", "", "1 thread", options.thread_count,
      "input", "products", "output");
  const double *without_output = medians + WITHOUT_OUTPUT * MEASURE_COUNT;
  for (int i = 0; i < net->layer_count; i++) {
    const layer_shape *shape = &net->shapes[i];
    const winograd_scheme *scheme = &net->layers[AS_GRAFT][i].scheme;
    char name[64], tasks[64];
    snprintf(
        name, sizeof name, "%td -> %td, %td x %td%s", shape->input_channels, shape->output_channels,
        shape->extent, shape->extent, shape->pools ? ", pool" : "");
    if (scheme->tiles_per_task)
      snprintf(
          tasks, sizeof tasks, "F(%td), %td tiles a task", scheme->tile_extent,
          scheme->tiles_per_task);
    else
      snprintf(tasks, sizeof tasks, "F(%td), tiles shared", scheme->tile_extent);
    const double products = without_output[MULTIPLIES + i];
    printf(
        "  %-28s %-22s %9.2f %11.2f %9.2f %9.2f %9.2f\n", name, tasks,
        medians[LAYERS_ONE_THREAD + i], medians[LAYERS + i], medians[INPUTS + i], products,
        medians[MULTIPLIES + i] - products);
  }
}

void measure_network(void) {
  static network net;
  static double medians[VARIANT_COUNT * MEASURE_COUNT];
  net.shapes = options.is_quick ? small : vgg16;
  net.layer_count = options.is_quick ? (int)(sizeof small / sizeof *small) : MAXIMUM_LAYERS;
  for (int variant = 0; variant < VARIANT_COUNT; variant++) make_variant(&net, variant);
  network_memory usual = {0}, huge = {0};
  give_memory(&net, 0, HUGE_PAGES, PAGES_DEFAULT, &usual);
  const ptrdiff_t huge_before = huge_page_bytes();
  give_memory(&net, HUGE_PAGES, VARIANT_COUNT, PAGES_HUGE, &huge);
  const double spread = measure_in_turns(VARIANT_COUNT, MEASURE_COUNT, run_variant, &net, medians);
  const ptrdiff_t huge_after = huge_page_bytes();

  printf(
      "%s, images: %td (ms; input, products, output: of a thread)\n",
      options.is_quick ? "A small network" : "VGG16's layers of more than three channels",
      options.image_count);
  print_layers(&net, medians);
  printf("\n  %-51s %9s %6d thr.\n", "all of them", "1 thread", options.thread_count);
  for (int variant = 0; variant < VARIANT_COUNT; variant++)
    printf(
        "  %-51s %9.2f %11.2f\n", variant_names[variant],
        medians[variant * MEASURE_COUNT + ONE_THREAD],
        medians[variant * MEASURE_COUNT + ALL_THREADS]);
  printf(
      "  In huge pages lie %.0f MB of that variant's memory, and %.0f MB of the others'.\n",
      (double)(huge_after - huge_before) * 1e-6, (double)huge_before * 1e-6);
  print_spread(spread);
  take_memory(&usual);
  take_memory(&huge);
}
