// What the processor can do at most: multiply-adds in registers, reading from caches and memory.

#include "peak.h"

#include <immintrin.h>
#include <stdio.h>

#include "harness.h"

/// Enough to hide the latency of a multiply-add with two of them started in a cycle.
enum { CHAIN_COUNT = 12 };

static _Thread_local volatile float float_sink;
static _Thread_local volatile long long integer_sink;
static volatile float factor = 0.5f;

__attribute__((target("avx512f"))) static void multiply_and_add_avx512(ptrdiff_t rounds) {
  const __m512 x = _mm512_set1_ps(factor);
  __m512 sums[CHAIN_COUNT];
  for (int i = 0; i < CHAIN_COUNT; i++) sums[i] = _mm512_set1_ps((float)i);
  for (ptrdiff_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAIN_COUNT; i++) sums[i] = _mm512_fmadd_ps(sums[i], x, x);
  for (int i = 1; i < CHAIN_COUNT; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  float_sink = _mm512_reduce_add_ps(sums[0]);
}

__attribute__((target("avx2,fma"))) static void multiply_and_add_avx2(ptrdiff_t rounds) {
  const __m256 x = _mm256_set1_ps(factor);
  __m256 sums[CHAIN_COUNT];
  for (int i = 0; i < CHAIN_COUNT; i++) sums[i] = _mm256_set1_ps((float)i);
  for (ptrdiff_t round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < CHAIN_COUNT; i++) sums[i] = _mm256_fmadd_ps(sums[i], x, x);
  for (int i = 1; i < CHAIN_COUNT; i++) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  float_sink = _mm256_cvtss_f32(sums[0]);
}

void multiply_and_add(ptrdiff_t rounds) {
  if (options.instruction_set == GRAFT_ISA_AVX512)
    multiply_and_add_avx512(rounds);
  else
    multiply_and_add_avx2(rounds);
}

ptrdiff_t operations_per_round(void) {
  return CHAIN_COUNT * 2 * (options.instruction_set == GRAFT_ISA_AVX512 ? 16 : 8);
}

/// Bytes that a step of the loops below reads, from as many streams: of one alone the processor
/// does not get all that memory gives.
enum { READ_STEP = 512, STREAM_COUNT = 4, STREAM_STEP = READ_STEP / STREAM_COUNT };

__attribute__((target("avx512f"))) static void read_avx512(const char *memory, ptrdiff_t count) {
  const ptrdiff_t stream = count / STREAM_COUNT;
  __m512i sums[8];
  for (int i = 0; i < 8; i++) sums[i] = _mm512_setzero_si512();
  for (ptrdiff_t place = 0; place < stream; place += STREAM_STEP)
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++)
      sums[i] = _mm512_or_si512(
          sums[i], _mm512_loadu_si512(memory + i / 2 * stream + place + i % 2 * 64));
  for (int i = 1; i < 8; i++) sums[0] = _mm512_or_si512(sums[0], sums[i]);
  integer_sink = _mm512_reduce_or_epi64(sums[0]);
}

__attribute__((target("avx2"))) static void read_avx2(const char *memory, ptrdiff_t count) {
  const ptrdiff_t stream = count / STREAM_COUNT;
  __m256i sums[8];
  for (int i = 0; i < 8; i++) sums[i] = _mm256_setzero_si256();
  for (ptrdiff_t place = 0; place < stream; place += STREAM_STEP)
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i++)
      sums[i % 8] = _mm256_or_si256(
          sums[i % 8],
          _mm256_loadu_si256((const __m256i *)(memory + i / 4 * stream + place + i % 4 * 32)));
  for (int i = 1; i < 8; i++) sums[0] = _mm256_or_si256(sums[0], sums[i]);
  integer_sink = _mm256_extract_epi64(sums[0], 0);
}

/// What there is to measure: multiply-adds first, then reading from each place.
typedef struct {
  const char *name;
  /// Bytes that each thread reads again and again; 0 for multiply-adds.
  ptrdiff_t area;
  int thread_count;
} peak_candidate;

typedef struct {
  peak_candidate candidates[10];
  int count;
  const char *memory;
  /// Of one run, on each thread: rounds of multiply-adds, or bytes.
  ptrdiff_t rounds, byte_count;
  int candidate;
} peak_context;

static void work_at_peak(void *untyped, int thread) {
  const peak_context *context = untyped;
  const peak_candidate *candidate = &context->candidates[context->candidate];
  if (candidate->area == 0) {
    multiply_and_add(context->rounds);
    return;
  }
  const char *memory = context->memory + thread * candidate->area;
  for (ptrdiff_t done = 0; done < context->byte_count; done += candidate->area) {
    if (options.instruction_set == GRAFT_ISA_AVX512)
      read_avx512(memory, candidate->area);
    else
      read_avx2(memory, candidate->area);
    __asm__ volatile("" ::: "memory");
  }
}

static void run_peak(void *untyped, int index, double *rate) {
  peak_context *context = untyped;
  const peak_candidate *candidate = &context->candidates[index];
  context->candidate = index;
  wake_threads(candidate->thread_count);
  const double start = now();
  run_on_threads(candidate->thread_count, work_at_peak, context);
  const double seconds = now() - start;
  const ptrdiff_t turns = candidate->area ? divide_up(context->byte_count, candidate->area) : 0;
  const double amount = candidate->area ? (double)turns * (double)candidate->area
                                        : (double)context->rounds * (double)operations_per_round();
  *rate = amount * candidate->thread_count / seconds * 1e-9;
}

void measure_peak(void) {
  const ptrdiff_t divisor = options.is_quick ? 20 : 1;
  peak_context context = {.rounds = 4000000 / divisor, .byte_count = (512 << 20) / divisor};
  const struct {
    const char *name;
    ptrdiff_t size;
    int is_shared;
  } places[] = {
      {"multiply-adds", 0, 0},
      {"read from L1", cache_size(1) / 2, 0},
      {"read from L2", cache_size(2) / 2, 0},
      {"read from L3", third_level_area(), 1},
      {"read from memory", memory_area(), 1},
  };
  int counts[2];
  const int count_count = thread_counts(counts);
  for (size_t place = 0; place < sizeof places / sizeof *places; place++)
    for (int i = 0; i < count_count; i++) {
      const ptrdiff_t part = places[place].size / (places[place].is_shared ? counts[i] : 1);
      context.candidates[context.count++] =
          (peak_candidate){places[place].name, part / READ_STEP * READ_STEP, counts[i]};
    }
  const ptrdiff_t private_size = options.thread_count * larger(cache_size(1), cache_size(2));
  const ptrdiff_t size = larger(memory_area(), larger(third_level_area(), private_size));
  char *memory = allocate(size, PAGES_DEFAULT);
  fill_with_random((float *)memory, size / 4, 0, 1);
  context.memory = memory;

  double rates[10];
  const double spread = measure_in_turns(context.count, 1, run_peak, &context, rates);
  printf("%-20s %12s %8s %12s\n", "Peak", "area", "threads", "in all");
  for (int i = 0; i < context.count; i++) {
    const peak_candidate *candidate = &context.candidates[i];
    if (candidate->area)
      printf(
          "  %-18s %9.0f KB %8d %7.1f GB/s\n", candidate->name, (double)candidate->area / 1024,
          candidate->thread_count, rates[i]);
    else
      printf(
          "  %-18s %12s %8d %5.0f GFLOP/s\n", candidate->name, "registers", candidate->thread_count,
          rates[i]);
  }
  print_spread(spread);
  release(memory);
}
