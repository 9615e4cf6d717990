#ifndef KERNEL_BENCHMARK_CONVOLUTION_H
#define KERNEL_BENCHMARK_CONVOLUTION_H

#include "harness.h"

/// One way to compute a layer by Winograd's method: WinogradConvolution.swift has the same.
typedef struct {
  /// 2, 4 or 6.
  ptrdiff_t tile_extent;
  /// 0 if tasks share tiles that were transformed before.
  ptrdiff_t tiles_per_task;
  /// Shared tiles that are transformed at a time.
  ptrdiff_t tiles_per_chunk;
  /// Panels of weights that a task takes its tiles through at a time.
  ptrdiff_t panels_per_call;
  /// Whether inputs are transformed tile after tile, as they are not, instead of block after block.
  int transforms_tile_by_tile;
} winograd_scheme;

/// A layer that runs. It must not be moved.
typedef struct {
  winograd_scheme scheme;
  graft_winograd form;
  graft_winograd_problem problem;
  ptrdiff_t tile_count, panel_count, chunk_count, largest_chunk;
  /// The chunk that is computed.
  ptrdiff_t chunk;
  /// Of shared tiles; `shared_floats` says how much.
  float *shared;
  /// `thread_floats` for each thread, `thread_stride` apart.
  float *thread_memory;
  ptrdiff_t thread_stride;
  /// What each thread worked on inputs and on products and outputs in the last run.
  struct {
    _Alignas(64) double input, multiply;
  } seconds[MAXIMUM_THREADS];
} winograd_layer;

/// How Graft computes a layer for one image and for several.
ptrdiff_t chosen_tile_extent(const layer_shape *shape);
winograd_scheme chosen_scheme(const layer_shape *shape, ptrdiff_t tile_extent);

/// Shared tiles as WinogradConvolution.swift deals them.
winograd_scheme shared_scheme(ptrdiff_t tile_extent, ptrdiff_t tiles_per_chunk);
enum { TILES_PER_CHUNK = 196 };

ptrdiff_t tile_count_of(const layer_shape *shape, ptrdiff_t tile_extent);

/// Describes a layer; where its data lie is left to the caller.
void make_layer(winograd_layer *layer, const layer_shape *shape, winograd_scheme scheme);

ptrdiff_t input_floats(const layer_shape *shape);
ptrdiff_t output_floats(const layer_shape *shape);
ptrdiff_t shared_floats(const winograd_layer *layer);
ptrdiff_t thread_floats(const winograd_layer *layer);

/// Random weights of a layer, transformed; small enough for a deep network not to overflow.
float *make_weights(const layer_shape *shape, ptrdiff_t tile_extent, page_kind pages);

/// Computes a layer.
void run_layer(winograd_layer *layer, int thread_count);

/// Seconds of the last run, of one thread on the average.
double input_seconds(const winograd_layer *layer, int thread_count);
double multiply_seconds(const winograd_layer *layer, int thread_count);

/// Leaves out the transform of outputs, so that the time of products alone is seen.
void skip_output(winograd_layer *layer);

#endif
