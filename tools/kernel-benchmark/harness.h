#ifndef KERNEL_BENCHMARK_HARNESS_H
#define KERNEL_BENCHMARK_HARNESS_H

// What all topics share: options, the clock, medians, memory, threads.

#include <stddef.h>
#include <stdint.h>

#include "graft_kernels.h"

enum {
  EXIT_USAGE = 64,            // EX_USAGE
  EXIT_UNAVAILABLE = 69,      // EX_UNAVAILABLE
  EXIT_SOFTWARE = 70,         // EX_SOFTWARE
  EXIT_OPERATING_SYSTEM = 71  // EX_OSERR
};

enum { MAXIMUM_THREADS = 64, MAXIMUM_TILE_CHOICES = 8 };

/// A 3 x 3 convolution of square maps, of stride 1 and with padding.
typedef struct {
  ptrdiff_t input_channels, output_channels, extent;
  /// Whether a 2 x 2 max-pool follows, which the kernel does.
  int pools;
} layer_shape;

typedef struct {
  /// GRAFT_ISA_…
  int32_t instruction_set;
  const graft_kernels *kernels;
  /// Work is measured on one thread and on so many.
  int thread_count;
  int repeat_count;
  /// Whether only to show that everything runs: little work, few repeats.
  int is_quick;
  ptrdiff_t image_count;
  /// The only layer to measure, if `has_layer`.
  int has_layer;
  layer_shape layer;
  /// Tiles a task to try; none stands for those that Graft tries.
  int tile_choice_count;
  ptrdiff_t tile_choices[MAXIMUM_TILE_CHOICES];
} benchmark_options;

extern benchmark_options options;

// Topics.
void measure_peak(void);
void measure_tile(void);
void measure_winograd(void);
void measure_network(void);
void measure_matrix_vector(void);

/// Ends the program with a message.
_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/// Seconds since some time in the past.
double now(void);
/// Seconds that this thread has worked: what other programs take is not in it.
double thread_time(void);

/// Runs `candidate_count` candidates in turns, forwards and backwards, for one round that does not
/// count and `options.repeat_count` that do. A run returns `measure_count` figures; those of
/// candidate c lie, as medians, at medians[c * measure_count].
///
/// Returns by how much of the median the middle half of the turns differs, in the first figure of
/// the candidate where it differs most.
double measure_in_turns(
    int candidate_count, int measure_count,
    void (*run)(void *context, int candidate, double *measures), void *context, double *medians);

/// Prints beneath a table what `measure_in_turns` returned, and what other programs took meanwhile.
void print_spread(double spread);

/// Bytes of the data cache of a level (1, 2 or 3), or a usual value where the system does not say.
ptrdiff_t cache_size(int level);

/// Bytes that all threads together find in L3, of which others have a part, but not in L2.
ptrdiff_t third_level_area(void);
/// Bytes that are more than any cache holds.
ptrdiff_t memory_area(void);

typedef enum {
  PAGES_DEFAULT,  // as the system has them
  PAGES_SMALL,
  PAGES_HUGE,
} page_kind;

/// Zeros, aligned to 64 bytes; ends the program if there is not enough memory.
void *allocate(ptrdiff_t byte_count, page_kind pages);
float *allocate_floats(ptrdiff_t count);
void release(void *memory);

/// Bytes of this process that lie in huge pages now.
ptrdiff_t huge_page_bytes(void);

/// The same values for the same count and bounds.
void fill_with_random(float *values, ptrdiff_t count, float lowest, float highest);

/// Numbers of threads to measure with: 1, and `options.thread_count` if that is more. Returns how
/// many there are.
int thread_counts(int counts[2]);

/// Runs `work` once on each of some threads, of which the caller is the first, and waits for all.
/// Each is bound to a processor of its own.
void run_on_threads(int thread_count, void (*work)(void *context, int thread), void *context);

/// Lets threads take tasks one after the other, and waits for all.
void deal_tasks(
    int thread_count, ptrdiff_t task_count, void (*task)(void *context, ptrdiff_t task, int thread),
    void *context);

/// Gets threads out of their sleep, so that it is not measured.
void wake_threads(int thread_count);

/// Where part `part` of `count` items begins that are dealt evenly.
static inline ptrdiff_t part_start(ptrdiff_t count, ptrdiff_t part, ptrdiff_t part_count) {
  const ptrdiff_t quotient = count / part_count, remainder = count % part_count;
  return part * quotient + (part < remainder ? part : remainder);
}

static inline ptrdiff_t divide_up(ptrdiff_t x, ptrdiff_t divisor) {
  return (x + divisor - 1) / divisor;
}

static inline ptrdiff_t smaller(ptrdiff_t x, ptrdiff_t y) { return x < y ? x : y; }
static inline ptrdiff_t larger(ptrdiff_t x, ptrdiff_t y) { return x > y ? x : y; }

#endif
