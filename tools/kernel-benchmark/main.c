// Measures single kernels: tools/benchmark-kernels builds and describes this.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

benchmark_options options = {.thread_count = 2, .repeat_count = 15, .image_count = 1};

static const struct {
  const char *name;
  void (*measure)(void);
} topics[] = {
    {"peak", measure_peak},
    {"tile", measure_tile},
    {"winograd", measure_winograd},
    {"network", measure_network},
    {"matrix-vector", measure_matrix_vector},
};

enum { TOPIC_COUNT = sizeof topics / sizeof *topics };

static const struct {
  const char *name;
  int32_t instruction_set;
} instruction_sets[] = {
    {"scalar", GRAFT_ISA_SCALAR}, {"avx2", GRAFT_ISA_AVX2}, {"avx512", GRAFT_ISA_AVX512}};

enum { SET_COUNT = sizeof instruction_sets / sizeof *instruction_sets };

/// As Graft: what the machine has, or less if that is asked for.
static void choose_instruction_set(const char *name) {
  const int32_t detected = graft_cpu_instruction_set();
  options.instruction_set = detected;
  for (int i = 0; name && i < SET_COUNT; i++)
    if (strcmp(name, instruction_sets[i].name) == 0 &&
        graft_cpu_includes(detected, instruction_sets[i].instruction_set))
      options.instruction_set = instruction_sets[i].instruction_set;
  if (options.instruction_set == GRAFT_ISA_SCALAR)
    fail(EXIT_UNAVAILABLE, "needs a processor with AVX2, FMA and F16C, and no GRAFT_ISA=scalar");
}

static void require_instruction_set(const char *name) {
  const int is_avx2 = strcmp(name, "avx2") == 0;
  if (!is_avx2 && strcmp(name, "avx512") != 0)
    fail(EXIT_USAGE, "--isa is avx2 or avx512, not %s", name);
  options.instruction_set = is_avx2 ? GRAFT_ISA_AVX2 : GRAFT_ISA_AVX512;
  if (!graft_cpu_includes(graft_cpu_instruction_set(), options.instruction_set))
    fail(EXIT_UNAVAILABLE, "this processor has no %s", name);
}

static ptrdiff_t parse_number(const char *option, const char *text, long most) {
  char *end;
  const long number = strtol(text, &end, 10);
  if (end == text || *end || number < 1 || number > most)
    fail(EXIT_USAGE, "%s takes a number from 1 to %ld, not %s", option, most, text);
  return number;
}

static void parse_layer(const char *text) {
  layer_shape *layer = &options.layer;
  int end = 0;
  const int count = sscanf(
      text, "%4tdx%4tdx%4td%n", &layer->input_channels, &layer->output_channels, &layer->extent,
      &end);
  const ptrdiff_t least_channels = smaller(layer->input_channels, layer->output_channels);
  if (count != 3 || smaller(least_channels, layer->extent) < 1)
    fail(EXIT_USAGE, "--layer is INPUTSxOUTPUTSxEXTENT, as in 64x128x112, not %s", text);
  if (strcmp(text + end, "pool") == 0 && layer->extent > 1)
    layer->pools = 1;
  else if (text[end])
    fail(EXIT_USAGE, "nothing but \"pool\" follows a layer's numbers, not %s", text + end);
  options.has_layer = 1;
}

static void parse_tiles(const char *text) {
  char copy[128];
  if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
    fail(EXIT_USAGE, "--tiles takes at most %d numbers", MAXIMUM_TILE_CHOICES);
  for (char *word = strtok(copy, ","); word; word = strtok(NULL, ",")) {
    if (options.tile_choice_count == MAXIMUM_TILE_CHOICES)
      fail(EXIT_USAGE, "--tiles takes at most %d numbers", MAXIMUM_TILE_CHOICES);
    options.tile_choices[options.tile_choice_count++] = parse_number("--tiles", word, 10000);
  }
}

static void print_machine(void) {
  char line[256], name[256] = "an unknown processor";
  FILE *file = fopen("/proc/cpuinfo", "r");
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "model name : %255[^\n]", name) == 1) break;
  if (file) fclose(file);
  printf(
      "%s, L1 %td KB, L2 %td KB, L3 %td KB; %s; 1 and %d threads, bound to a processor each\n\n",
      name, cache_size(1) >> 10, cache_size(2) >> 10, cache_size(3) >> 10,
      options.instruction_set == GRAFT_ISA_AVX512 ? "avx512" : "avx2", options.thread_count);
}

int main(int argument_count, char **arguments) {
  int is_wanted[TOPIC_COUNT] = {0}, wanted_count = 0, thread_count = 0;
  const int32_t processor_count = graft_cpu_affinity_count();
  const int most_threads = (int)smaller(processor_count, MAXIMUM_THREADS);
  const char *instruction_set = NULL, *repeats = NULL;
  for (int i = 1; i < argument_count; i++) {
    const char *argument = arguments[i];
    int topic = 0;
    while (topic < TOPIC_COUNT && strcmp(argument, topics[topic].name) != 0) topic++;
    if (topic < TOPIC_COUNT) {
      is_wanted[topic] = 1;
      wanted_count += 1;
      continue;
    }
    if (strcmp(argument, "--quick") == 0) {
      options.is_quick = 1;
      continue;
    }
    if (argument[0] != '-') fail(EXIT_USAGE, "there is no topic %s; see --help", argument);
    const char *value = arguments[i + 1];
    if (!value) fail(EXIT_USAGE, "%s is no option, or its value is missing; see --help", argument);
    i += 1;
    if (strcmp(argument, "--isa") == 0)
      instruction_set = value;
    else if (strcmp(argument, "--threads") == 0)
      thread_count = (int)parse_number(argument, value, most_threads);
    else if (strcmp(argument, "--repeats") == 0)
      repeats = value;
    else if (strcmp(argument, "--images") == 0)
      options.image_count = parse_number(argument, value, 64);
    else if (strcmp(argument, "--layer") == 0)
      parse_layer(value);
    else if (strcmp(argument, "--tiles") == 0)
      parse_tiles(value);
    else
      fail(EXIT_USAGE, "there is no option %s; see --help", argument);
  }
  if (instruction_set)
    require_instruction_set(instruction_set);
  else
    choose_instruction_set(getenv("GRAFT_ISA"));
  options.kernels = graft_kernels_for(options.instruction_set);
  options.thread_count = thread_count ? thread_count : (int)smaller(2, most_threads);
  if (options.is_quick) options.repeat_count = 2;
  if (repeats) options.repeat_count = (int)parse_number("--repeats", repeats, 1000);

  setvbuf(stdout, NULL, _IOLBF, 0);
  print_machine();
  for (int topic = 0; topic < TOPIC_COUNT; topic++)
    if (is_wanted[topic] || wanted_count == 0) topics[topic].measure();
  return 0;
}
