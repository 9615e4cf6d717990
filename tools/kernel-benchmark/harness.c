#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void fail(int status, const char *format, ...) {
  fflush(stdout);
  fputs("benchmark-kernels: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(status);
}

static double read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double now(void) { return read_clock(CLOCK_MONOTONIC); }

double thread_time(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

/// Seconds that all processors worked, and those that this process did.
typedef struct {
  double all, own;
} work_time;

static work_time time_of_work(void) {
  work_time time = {0, 0};
  FILE *file = fopen("/proc/stat", "r");
  unsigned long long ticks[8];
  if (file && fscanf(
                  file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1],
                  &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) == 8)
    // All but idle (3) and waiting for a disk (4); the last is what a host gave to others.
    for (int i = 0; i < 8; i++)
      if (i != 3 && i != 4) time.all += (double)ticks[i] / (double)sysconf(_SC_CLK_TCK);
  if (file) fclose(file);
  time.own = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  return time;
}

/// Of a processor, what other programs took while candidates were measured.
static double share_of_others;

static int compare_doubles(const void *left, const void *right) {
  const double x = *(const double *)left, y = *(const double *)right;
  return (x > y) - (x < y);
}

double measure_in_turns(
    int candidate_count, int measure_count,
    void (*run)(void *context, int candidate, double *measures), void *context, double *medians) {
  const int rounds = options.repeat_count;
  const size_t row = (size_t)candidate_count * (size_t)measure_count;
  double *all = allocate((ptrdiff_t)(row * (size_t)rounds * sizeof(double)), PAGES_DEFAULT);
  double *sorted = allocate(rounds * (ptrdiff_t)sizeof(double), PAGES_DEFAULT);
  const work_time work = time_of_work();
  const double start = now();
  for (int round = -1; round < rounds; round++)
    for (int turn = 0; turn < candidate_count; turn++) {
      const int candidate = round % 2 ? candidate_count - 1 - turn : turn;
      double *measures =
          all + (size_t)larger(round, 0) * row + (size_t)candidate * (size_t)measure_count;
      run(context, candidate, measures);
    }
  const work_time work_at_end = time_of_work();
  share_of_others = (work_at_end.all - work.all - (work_at_end.own - work.own)) / (now() - start);
  double spread = 0;
  for (size_t place = 0; place < row; place++) {
    for (int round = 0; round < rounds; round++) sorted[round] = all[(size_t)round * row + place];
    qsort(sorted, (size_t)rounds, sizeof(double), compare_doubles);
    medians[place] = (sorted[(rounds - 1) / 2] + sorted[rounds / 2]) / 2;
    const double half = sorted[rounds - 1 - rounds / 4] - sorted[rounds / 4];
    if (place % (size_t)measure_count == 0 && half > spread * medians[place])
      spread = half / medians[place];
  }
  release(all);
  release(sorted);
  return spread;
}

void print_spread(double spread) {
  printf(
      "  Medians of %d turns; the middle half of them differs by %.0f %% at most. "
      "Other programs took %.0f %% of a processor.\n\n",
      options.repeat_count, spread * 100, share_of_others > 0 ? share_of_others * 100 : 0);
}

ptrdiff_t cache_size(int level) {
  // Not by sysconf, which counts the caches of all processors of some machines together.
  for (int index = 0; index < 8; index++) {
    const char *folder = "/sys/devices/system/cpu/cpu0/cache";
    char path[128], type[32] = "";
    int found_level = 0;
    long kilobytes = 0;
    const struct {
      const char *name, *format;
      void *target;
    } parts[] = {
        {"level", "%d", &found_level}, {"type", "%31s", type}, {"size", "%ldK", &kilobytes}};
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
      snprintf(path, sizeof path, "%s/index%d/%s", folder, index, parts[part].name);
      FILE *file = fopen(path, "r");
      if (!file) break;
      if (fscanf(file, parts[part].format, parts[part].target) != 1) kilobytes = 0;
      fclose(file);
    }
    if (found_level == level && type[0] != 'I' && kilobytes > 0) return kilobytes << 10;
  }
  const ptrdiff_t usual[] = {32 << 10, 1 << 20, 16 << 20};
  return usual[level - 1];
}

ptrdiff_t third_level_area(void) {
  const ptrdiff_t least = 2 * options.thread_count * cache_size(2);
  return larger(least, smaller(cache_size(3) / 4, 16 << 20));
}

ptrdiff_t memory_area(void) {
  const ptrdiff_t size = larger(256 << 20, 4 * cache_size(3));
  return options.is_quick ? size / 16 : size;
}

/// What stands before allocated memory.
typedef struct {
  void *base;
  size_t byte_count;
} allocation;

void *allocate(ptrdiff_t byte_count, page_kind pages) {
  enum { LINE = 64, PAGE = 4096, HUGE_PAGE = 2 << 20 };
  static size_t count;
  // Arrays begin at different lines of a page, and so in different sets of a cache.
  const size_t offset = LINE + count++ * 7 % (PAGE / LINE - 1) * LINE;
  const size_t total = (size_t)byte_count + offset + 2 * HUGE_PAGE;
  char *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED)
    fail(EXIT_OPERATING_SYSTEM, "cannot allocate %.0f MB of memory", (double)total * 1e-6);
  if (pages != PAGES_DEFAULT &&
      madvise(base, total, pages == PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) != 0)
    fprintf(stderr, "benchmark-kernels: this system does not let a program choose its pages\n");
  char *memory = (char *)(((uintptr_t)base + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE) + offset;
  ((allocation *)memory)[-1] = (allocation){base, total};
  return memory;
}

float *allocate_floats(ptrdiff_t count) {
  return allocate(count * (ptrdiff_t)sizeof(float), PAGES_DEFAULT);
}

void release(void *memory) {
  if (!memory) return;
  const allocation allocated = ((allocation *)memory)[-1];
  munmap(allocated.base, allocated.byte_count);
}

ptrdiff_t huge_page_bytes(void) {
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  if (!file) return 0;
  char line[256];
  long kilobytes = 0;
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "AnonHugePages: %ld kB", &kilobytes) == 1) break;
  fclose(file);
  return (ptrdiff_t)kilobytes << 10;
}

void fill_with_random(float *values, ptrdiff_t count, float lowest, float highest) {
  uint32_t state = (uint32_t)count;
  const float step = (highest - lowest) * 0x1p-24f;
  for (ptrdiff_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    values[i] = lowest + (float)(state >> 8) * step;
  }
}
