// Products of few rows with a matrix that is read from memory once, as MatrixVectorProduct.swift
// does them.

#include <stdio.h>

#include "harness.h"

typedef struct {
  int is_narrow, has_dot_products, thread_count;
  ptrdiff_t rows;
} product_candidate;

typedef struct {
  product_candidate candidates[64];
  int count;
  ptrdiff_t depth, columns;
  const float *a;
  const void *wide, *narrow;
  float *c, *partial;
  // Of the candidate that runs:
  graft_gemv_table kernels;
  graft_gemm_problem problem;
  ptrdiff_t split_count, column_part_count, finish_part_count;
} product_context;

/// Elements of the matrix that make a task worth handing out.
enum { GRAIN = 1 << 16 };

static ptrdiff_t dot_part_count(const product_context *context) {
  const ptrdiff_t grain = larger(4, larger(GRAIN / context->depth, context->columns / 128));
  return divide_up(context->columns, grain);
}

static void compute_dots(void *untyped, ptrdiff_t task, int thread) {
  const product_context *context = untyped;
  (void)thread;
  const ptrdiff_t parts = dot_part_count(context);
  const ptrdiff_t first = part_start(context->columns, task, parts);
  context->kernels.dot_columns(
      &context->problem, first, part_start(context->columns, task + 1, parts) - first);
}

static void add_rows(void *untyped, ptrdiff_t task, int thread) {
  const product_context *context = untyped;
  (void)thread;
  const ptrdiff_t split = task / context->column_part_count;
  const ptrdiff_t part = task % context->column_part_count;
  const ptrdiff_t first = part_start(context->columns, part, context->column_part_count);
  const ptrdiff_t end = part_start(context->columns, part + 1, context->column_part_count);
  const ptrdiff_t groups = divide_up(context->depth, 8);
  const ptrdiff_t first_depth = part_start(groups, split, context->split_count) * 8;
  const ptrdiff_t end_depth =
      smaller(part_start(groups, split + 1, context->split_count) * 8, context->depth);
  context->kernels.add_rows(
      &context->problem, first_depth, end_depth - first_depth, first, end - first,
      context->partial + split * context->problem.rows * graft_partial_stride(context->columns));
}

static void finish_rows(void *untyped, ptrdiff_t task, int thread) {
  const product_context *context = untyped;
  (void)thread;
  const ptrdiff_t parts = context->finish_part_count;
  const ptrdiff_t first = part_start(context->columns, task, parts);
  context->kernels.finish_rows(
      &context->problem, context->partial, context->split_count, first,
      part_start(context->columns, task + 1, parts) - first);
}

static void describe(product_context *context, const product_candidate *candidate) {
  const graft_gemm_table *table = options.kernels->gemm[GRAFT_ELEMENT_F32];
  context->kernels = candidate->is_narrow ? *options.kernels->gemv_bf16
                                          : (graft_gemv_table){table->dot_columns, table->add_rows,
                                                               table->finish_rows};
  context->problem = (graft_gemm_problem){
      .rows = candidate->rows,
      .columns = context->columns,
      .depth = context->depth,
      .a = context->a,
      .a_row_stride = context->depth,
      .a_depth_stride = 1,
      .b = candidate->is_narrow ? context->narrow : context->wide,
      .b_depth_stride = candidate->has_dot_products ? 1 : context->columns,
      .b_column_stride = candidate->has_dot_products ? context->depth : 1,
      .c = context->c,
      .c_row_stride = context->columns,
      .alpha = 1,
      .beta = 1,
      .activation = {GRAFT_ACTIVATION_CLAMP, GRAFT_ROUNDING_NONE, 0, 1e30},
  };
  context->column_part_count = divide_up(context->columns, 4096);
  const ptrdiff_t work = context->depth * divide_up(context->columns, context->column_part_count);
  const ptrdiff_t most_splits = candidate->rows <= GRAFT_GEMV_MAXIMUM_ROWS ? 64 : 16;
  context->split_count =
      larger(1, smaller(most_splits, smaller(divide_up(context->depth, 8), work / GRAIN)));
  context->finish_part_count =
      larger(1, smaller(64, context->columns * context->split_count / 16384));
}

static void run_product(void *untyped, int index, double *seconds) {
  product_context *context = untyped;
  const product_candidate *candidate = &context->candidates[index];
  const int threads = candidate->thread_count;
  describe(context, candidate);
  wake_threads(threads);
  const double start = now();
  if (candidate->has_dot_products) {
    deal_tasks(threads, dot_part_count(context), compute_dots, context);
  } else {
    deal_tasks(threads, context->split_count * context->column_part_count, add_rows, context);
    deal_tasks(threads, context->finish_part_count, finish_rows, context);
  }
  *seconds = now() - start;
}

static void print_products(const product_context *context, const double *seconds) {
  const double count = (double)context->depth * (double)context->columns;
  printf(
      "Few rows times a matrix of %td x %td, %.0f MB as float\n", context->depth, context->columns,
      count * 4e-6);
  printf(
      "  %-9s %-34s %4s %7s %9s %15s %9s\n", "weights", "as", "rows", "threads", "time",
      "weights read", "");
  for (int i = 0; i < context->count; i++) {
    const product_candidate *candidate = &context->candidates[i];
    const double bytes = count * (candidate->is_narrow ? 2 : 4);
    printf(
        "  %-9s %-34s %4td %7d %6.2f ms %10.1f GB/s %3.0f GFLOP/s\n",
        candidate->is_narrow ? "bfloat16" : "float",
        candidate->has_dot_products ? "dot products (columns contiguous)"
                                    : "sums of rows (rows contiguous)",
        candidate->rows, candidate->thread_count, seconds[i] * 1e3, bytes / seconds[i] * 1e-9,
        2 * count * (double)candidate->rows / seconds[i] * 1e-9);
  }
}

void measure_matrix_vector(void) {
  static product_context context;
  context.depth = options.is_quick ? 1024 : 25088;
  context.columns = options.is_quick ? 512 : 4096;
  const ptrdiff_t dot_rows[] = {1, 4}, sum_rows[] = {1, 4, 5, 16, 32};
  int counts[2];
  const int count_count = thread_counts(counts);
  context.count = 0;
  for (int is_narrow = 0; is_narrow < 2; is_narrow++) {
    for (size_t row = 0; row < sizeof dot_rows / sizeof *dot_rows; row++)
      for (int i = 0; i < count_count; i++)
        context.candidates[context.count++] =
            (product_candidate){is_narrow, 1, counts[i], dot_rows[row]};
    for (size_t row = 0; row < sizeof sum_rows / sizeof *sum_rows; row++)
      for (int i = 0; i < count_count; i++)
        context.candidates[context.count++] =
            (product_candidate){is_narrow, 0, counts[i], sum_rows[row]};
  }

  const ptrdiff_t weight_count = context.depth * context.columns;
  const ptrdiff_t row_count = GRAFT_ROW_SUM_MAXIMUM_ROWS;
  float *a = allocate_floats(row_count * context.depth);
  fill_with_random(a, row_count * context.depth, -1, 1);
  float *wide = allocate_floats(weight_count);
  fill_with_random(wide, weight_count, -1, 1);
  uint16_t *narrow = allocate(weight_count * 2, PAGES_DEFAULT);
  options.kernels->convert->float_to_bfloat16(wide, narrow, (size_t)weight_count);
  context.a = a;
  context.wide = wide;
  context.narrow = narrow;
  context.c = allocate_floats(row_count * context.columns);
  // 64 partial sums of few rows, or 16 of many.
  context.partial = allocate_floats(
      larger(64 * GRAFT_GEMV_MAXIMUM_ROWS, 16 * row_count) * graft_partial_stride(context.columns));
  double seconds[64];
  const double spread = measure_in_turns(context.count, 1, run_product, &context, seconds);
  print_products(&context, seconds);
  print_spread(spread);
  release(a);
  release(wide);
  release(narrow);
  release(context.c);
  release(context.partial);
}
