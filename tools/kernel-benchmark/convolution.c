// Runs layers by Winograd's method, as WinogradConvolution.swift does.

#include "convolution.h"

#include <math.h>
#include <string.h>

static ptrdiff_t blocks_of(ptrdiff_t channels) { return divide_up(channels, GRAFT_BLOCK); }

ptrdiff_t tile_count_of(const layer_shape *shape, ptrdiff_t tile_extent) {
  const ptrdiff_t across = divide_up(shape->extent, tile_extent);
  return options.image_count * across * across;
}

ptrdiff_t chosen_tile_extent(const layer_shape *shape) {
  // What BlockedConvolutionAlgorithm estimates for VGG16.
  if (larger(shape->input_channels, shape->output_channels) <= 128) return 6;
  return shape->extent >= 28 || options.image_count > 1 ? 4 : 2;
}

winograd_scheme shared_scheme(ptrdiff_t tile_extent, ptrdiff_t tiles_per_chunk) {
  return (winograd_scheme){
      .tile_extent = tile_extent, .tiles_per_chunk = tiles_per_chunk, .panels_per_call = 1};
}

winograd_scheme chosen_scheme(const layer_shape *shape, ptrdiff_t tile_extent) {
  enum { CACHE_SIZE = 720 << 10, FEWEST_TASKS = 8 };
  const graft_blocked_product *product = &options.kernels->blocked->product;
  const ptrdiff_t channels =
      blocks_of(shape->input_channels) * GRAFT_BLOCK + product->panel_columns;
  const ptrdiff_t bytes_per_tile =
      (tile_extent + 2) * (tile_extent + 2) * channels * (ptrdiff_t)sizeof(float);
  const ptrdiff_t tile_count = tile_count_of(shape, tile_extent), rows = product->maximum_rows;
  const ptrdiff_t largest_task = (rows < 12 ? 220 : 1100) << 10;
  const ptrdiff_t tiles_per_task =
      smaller(2 * rows, larger(1, CACHE_SIZE / bytes_per_tile / rows) * rows);
  winograd_scheme scheme = shared_scheme(tile_extent, TILES_PER_CHUNK);
  if (rows * bytes_per_tile > largest_task) return scheme;
  if (tile_count >= FEWEST_TASKS * tiles_per_task)
    scheme.tiles_per_task = tiles_per_task;
  else if (tile_count >= FEWEST_TASKS * rows)
    scheme.tiles_per_task = rows;
  return scheme;
}

void make_layer(winograd_layer *layer, const layer_shape *shape, winograd_scheme scheme) {
  const graft_blocked_table *table = options.kernels->blocked;
  memset(layer, 0, sizeof *layer);
  layer->scheme = scheme;
  layer->form = table->winograd[scheme.tile_extent / 2 - 1];
  layer->tile_count = tile_count_of(shape, scheme.tile_extent);
  layer->panel_count =
      divide_up(blocks_of(shape->output_channels) * GRAFT_BLOCK, table->product.panel_columns);
  layer->chunk_count = divide_up(layer->tile_count, scheme.tiles_per_chunk);
  layer->largest_chunk = divide_up(layer->tile_count, layer->chunk_count);
  const ptrdiff_t tiles = scheme.tiles_per_task ? scheme.tiles_per_task : layer->largest_chunk;
  layer->problem = (graft_winograd_problem){
      .table = table,
      .form = &layer->form,
      .image_count = options.image_count,
      .input_channels = shape->input_channels,
      .input_blocks = blocks_of(shape->input_channels),
      .output_blocks = blocks_of(shape->output_channels),
      .input_height = shape->extent,
      .input_width = shape->extent,
      .output_height = shape->extent,
      .output_width = shape->extent,
      .pad_top = 1,
      .pad_left = 1,
      .activation = {GRAFT_ACTIVATION_CLAMP, GRAFT_ROUNDING_NONE, 0, INFINITY},
      .pools = shape->pools,
      .point_stride = (tiles * blocks_of(shape->input_channels) + 1) * GRAFT_BLOCK,
  };
}

ptrdiff_t input_floats(const layer_shape *shape) {
  return options.image_count * shape->extent * shape->extent * blocks_of(shape->input_channels) *
         GRAFT_BLOCK;
}

ptrdiff_t output_floats(const layer_shape *shape) {
  const ptrdiff_t extent = shape->pools ? shape->extent / 2 : shape->extent;
  return options.image_count * extent * extent * blocks_of(shape->output_channels) * GRAFT_BLOCK;
}

static ptrdiff_t point_count(const winograd_layer *layer) {
  return layer->form.input_extent * layer->form.input_extent;
}

static ptrdiff_t transformed_floats(const winograd_layer *layer) {
  return point_count(layer) * layer->problem.point_stride;
}

ptrdiff_t shared_floats(const winograd_layer *layer) {
  return layer->scheme.tiles_per_task ? 0 : transformed_floats(layer);
}

/// Tiles that a task takes through a panel of weights.
enum { TILES_PER_GROUP = 56 };

ptrdiff_t thread_floats(const winograd_layer *layer) {
  const ptrdiff_t per_task = layer->scheme.tiles_per_task;
  const ptrdiff_t tiles = per_task ? per_task : smaller(layer->largest_chunk, TILES_PER_GROUP);
  return (per_task ? transformed_floats(layer) : 0) +
         layer->form.input_extent * layer->form.input_extent *
             (tiles * layer->scheme.panels_per_call * layer->problem.table->product.panel_columns +
              GRAFT_BLOCK);
}

typedef struct {
  const layer_shape *shape;
  ptrdiff_t tile_extent;
  const float *weights;
  float *packed;
} packing;

static void pack_panel(void *untyped, ptrdiff_t panel, int thread) {
  const packing *work = untyped;
  const graft_blocked_table *table = options.kernels->blocked;
  (void)thread;
  graft_winograd_pack(
      table, &table->winograd[work->tile_extent / 2 - 1], work->weights,
      work->shape->output_channels, work->shape->input_channels, work->shape->input_channels * 9, 9,
      panel, work->packed);
}

float *make_weights(const layer_shape *shape, ptrdiff_t tile_extent, page_kind pages) {
  const graft_blocked_table *table = options.kernels->blocked;
  const ptrdiff_t count = shape->output_channels * shape->input_channels * 9;
  float *weights = allocate_floats(count);
  const float bound = sqrtf(6 / (9 * (float)shape->input_channels));
  fill_with_random(weights, count, -bound, bound);
  const ptrdiff_t output_blocks = blocks_of(shape->output_channels);
  const ptrdiff_t packed_count = (tile_extent + 2) * (tile_extent + 2) * output_blocks *
                                 blocks_of(shape->input_channels) * GRAFT_BLOCK * GRAFT_BLOCK;
  float *packed = allocate(packed_count * (ptrdiff_t)sizeof(float), pages);
  packing work = {shape, tile_extent, weights, packed};
  deal_tasks(
      options.thread_count, divide_up(output_blocks * GRAFT_BLOCK, table->product.panel_columns),
      pack_panel, &work);
  release(weights);
  return packed;
}

/// What graft_winograd_transform writes, in another order.
static void transform_tile_by_tile(
    const graft_winograd_problem *problem, ptrdiff_t first_tile, ptrdiff_t tile_count,
    float *target) {
  const ptrdiff_t plane = problem->input_height * problem->input_width * GRAFT_BLOCK;
  const ptrdiff_t extent = problem->form->output_extent;
  const ptrdiff_t across = divide_up(problem->output_width, extent);
  const ptrdiff_t down = divide_up(problem->output_height, extent);
  const ptrdiff_t parts = divide_up(tile_count, problem->table->product.maximum_rows);
  for (ptrdiff_t part = 0; part < parts; part++) {
    const ptrdiff_t start = tile_count * part / parts, end = tile_count * (part + 1) / parts;
    for (ptrdiff_t i = start; i < end; i++) {
      const ptrdiff_t tile = first_tile + i, row = tile / across;
      for (ptrdiff_t block = 0; block < problem->input_blocks; block++)
        problem->form->transform_input(
            problem->input + (row / down * problem->input_blocks + block) * plane,
            problem->input_height, problem->input_width, row % down * extent - problem->pad_top,
            tile % across * extent - problem->pad_left,
            target +
                (start * problem->input_blocks + block * (end - start) + i - start) * GRAFT_BLOCK,
            problem->point_stride);
    }
  }
}

/// Takes some tiles through all that is to be done: input, products, output.
static void run_tiles(void *untyped, ptrdiff_t task, int thread) {
  winograd_layer *layer = untyped;
  const ptrdiff_t task_count = divide_up(layer->tile_count, layer->scheme.tiles_per_task);
  const ptrdiff_t first = part_start(layer->tile_count, task, task_count);
  const ptrdiff_t count = part_start(layer->tile_count, task + 1, task_count) - first;
  float *memory = layer->thread_memory + thread * layer->thread_stride;
  const double start = thread_time();
  if (layer->scheme.transforms_tile_by_tile)
    transform_tile_by_tile(&layer->problem, first, count, memory);
  else
    graft_winograd_transform(&layer->problem, first, count, 0, layer->problem.input_blocks, memory);
  const double middle = thread_time();
  for (ptrdiff_t panel = 0; panel < layer->panel_count; panel += layer->scheme.panels_per_call)
    graft_winograd_multiply(
        &layer->problem, memory, first, count, panel,
        smaller(layer->scheme.panels_per_call, layer->panel_count - panel),
        memory + transformed_floats(layer));
  layer->seconds[thread].input += middle - start;
  layer->seconds[thread].multiply += thread_time() - middle;
}

/// A group of the tiles of a chunk.
typedef struct {
  ptrdiff_t first_tile, tile_count;
  float *transformed;
} tile_group;

static ptrdiff_t chunk_start(const winograd_layer *layer, ptrdiff_t chunk) {
  return part_start(layer->tile_count, chunk, layer->chunk_count);
}

static ptrdiff_t group_count(const winograd_layer *layer) {
  return divide_up(
      chunk_start(layer, layer->chunk + 1) - chunk_start(layer, layer->chunk), TILES_PER_GROUP);
}

static tile_group group_at(const winograd_layer *layer, ptrdiff_t group) {
  const ptrdiff_t first = chunk_start(layer, layer->chunk);
  const ptrdiff_t count = chunk_start(layer, layer->chunk + 1) - first;
  const ptrdiff_t start = part_start(count, group, group_count(layer));
  return (tile_group){first + start, part_start(count, group + 1, group_count(layer)) - start,
                      layer->shared + start * layer->problem.input_blocks * GRAFT_BLOCK};
}

static void transform_group(void *untyped, ptrdiff_t task, int thread) {
  winograd_layer *layer = untyped;
  const ptrdiff_t blocks = layer->problem.input_blocks;
  const tile_group group = group_at(layer, task / blocks);
  const double start = thread_time();
  graft_winograd_transform(
      &layer->problem, group.first_tile, group.tile_count, task % blocks, 1, group.transformed);
  layer->seconds[thread].input += thread_time() - start;
}

static void multiply_group(void *untyped, ptrdiff_t task, int thread) {
  winograd_layer *layer = untyped;
  const ptrdiff_t groups = group_count(layer), panels = layer->scheme.panels_per_call;
  const tile_group group = group_at(layer, task % groups);
  const ptrdiff_t panel = task / groups * panels;
  const double start = thread_time();
  graft_winograd_multiply(
      &layer->problem, group.transformed, group.first_tile, group.tile_count, panel,
      smaller(panels, layer->panel_count - panel),
      layer->thread_memory + thread * layer->thread_stride);
  layer->seconds[thread].multiply += thread_time() - start;
}

void run_layer(winograd_layer *layer, int thread_count) {
  memset(layer->seconds, 0, sizeof layer->seconds);
  if (layer->scheme.tiles_per_task) {
    deal_tasks(
        thread_count, divide_up(layer->tile_count, layer->scheme.tiles_per_task), run_tiles, layer);
    return;
  }
  for (layer->chunk = 0; layer->chunk < layer->chunk_count; layer->chunk++) {
    const ptrdiff_t groups = group_count(layer);
    deal_tasks(thread_count, groups * layer->problem.input_blocks, transform_group, layer);
    deal_tasks(
        thread_count, groups * divide_up(layer->panel_count, layer->scheme.panels_per_call),
        multiply_group, layer);
  }
}

double input_seconds(const winograd_layer *layer, int thread_count) {
  double sum = 0;
  for (int thread = 0; thread < thread_count; thread++) sum += layer->seconds[thread].input;
  return sum / thread_count;
}

double multiply_seconds(const winograd_layer *layer, int thread_count) {
  double sum = 0;
  for (int thread = 0; thread < thread_count; thread++) sum += layer->seconds[thread].multiply;
  return sum / thread_count;
}

static int leave_output(
    const float *products, ptrdiff_t point_stride, const float *bias, const float *residual,
    const graft_activation *activation, int pools, float *image, ptrdiff_t height, ptrdiff_t width,
    ptrdiff_t top, ptrdiff_t left) {
  (void)products, (void)point_stride, (void)bias, (void)residual, (void)activation, (void)pools;
  (void)image, (void)height, (void)width, (void)top, (void)left;
  return 1;
}

void skip_output(winograd_layer *layer) { layer->form.transform_output = leave_output; }
