#ifndef GRAFT_GEMM_H
#define GRAFT_GEMM_H

#include <stddef.h>
#include <stdint.h>

/// Element types of the kernels for matrices and convolutions. Integers wrap.
enum {
  GRAFT_ELEMENT_F32 = 0,
  GRAFT_ELEMENT_F64 = 1,
  GRAFT_ELEMENT_I32 = 2,
  GRAFT_ELEMENT_I64 = 3,
};

/// The function applied to a result before it is stored. NaN stays NaN.
enum {
  GRAFT_ACTIVATION_CLAMP = 0,         // alpha = lowest, beta = highest value
  GRAFT_ACTIVATION_LEAKY_RELU = 1,    // alpha = slope below 0
  GRAFT_ACTIVATION_HARD_SIGMOID = 2,  // clamp(alpha * x + beta, 0, 1)
  GRAFT_ACTIVATION_HARD_SWISH = 3,    // x * clamp(x / 6 + 1 / 2, 0, 1)
  GRAFT_ACTIVATION_SIGMOID = 4,
  GRAFT_ACTIVATION_SWISH = 5,  // x * sigmoid(alpha * x)
  GRAFT_ACTIVATION_TANH = 6,
  GRAFT_ACTIVATION_GELU = 7,  // approximated by tanh unless alpha is 0
};

/// The type that results of float kernels are rounded to, nearest, ties to even; they are still
/// stored as floats.
enum {
  GRAFT_ROUNDING_NONE = 0,
  GRAFT_ROUNDING_FLOAT16 = 1,
  GRAFT_ROUNDING_BFLOAT16 = 2,
};

typedef struct {
  int32_t kind;
  int32_t rounding;  // after the activation
  double alpha, beta;
} graft_activation;

/// C = activation(alpha * A * B + beta * (addend + row addend)).
///
/// A is rows x depth, B is depth x columns, C is rows x columns with contiguous rows. One of the
/// two strides of A is 1, and one of B. All strides count elements. A, B and the addends need no
/// alignment; C is aligned to its elements. For integers alpha and beta are 1, and there is no
/// activation.
typedef struct {
  ptrdiff_t rows, columns, depth;
  const void *a;
  ptrdiff_t a_row_stride, a_depth_stride;
  const void *b;
  ptrdiff_t b_depth_stride, b_column_stride;
  void *c;
  ptrdiff_t c_row_stride;
  const void *addend;  // rows x columns, or NULL; a row stride of 0 repeats one row
  ptrdiff_t addend_row_stride;
  const void *row_addend;  // one element a row, or NULL; a stride of 0 repeats one element
  ptrdiff_t row_addend_stride;
  double alpha, beta;
  graft_activation activation;
  /// Of `packed_product` only: the columns of the panels that B consists of, one after another.
  /// Each is depth x panel_columns. The last one may have fewer columns of C, and is then half as
  /// wide if these fit.
  ptrdiff_t panel_columns;
  /// Of `packed_product` only: rows x columns that are added before the activation, or NULL. It may
  /// be C.
  const void *residual;
  ptrdiff_t residual_row_stride;
  /// Of `packed_product` only: the panel that is read after those of a call, or NULL. It comes
  /// closer while the last one is multiplied.
  const void *next;
} graft_gemm_problem;

/// The matrix kernels of one element type.
typedef struct {
  /// Computes a block of C; blocks may be computed in any order and in parallel. Each element is
  /// the sum of products in order of depth, in blocks that only depend on the depth.
  void (*product)(
      const graft_gemm_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
      ptrdiff_t first_column, ptrdiff_t column_count, void *scratch);
  /// Computes columns of C for few rows, reading B once and in place. The depth strides of A and B
  /// are 1, and rows is at most GRAFT_GEMV_MAXIMUM_ROWS.
  void (*dot_columns)(
      const graft_gemm_problem *problem, ptrdiff_t first_column, ptrdiff_t column_count);
  /// Sums the products of A * B over a range of depth for a range of columns, and writes the sums
  /// to those columns of `partial`, whose rows are graft_partial_stride apart. B's column stride is
  /// 1, and rows is at most GRAFT_ROW_SUM_MAXIMUM_ROWS.
  void (*add_rows)(
      const graft_gemm_problem *problem, ptrdiff_t first_depth, ptrdiff_t depth_count,
      ptrdiff_t first_column, ptrdiff_t column_count, void *partial);
  /// Completes `add_rows`: adds `split_count` partial sums in order.
  void (*finish_rows)(
      const graft_gemm_problem *problem, const void *partial, ptrdiff_t split_count,
      ptrdiff_t first_column, ptrdiff_t column_count);
  /// The scratch bytes that `product` needs for a block, aligned to 64.
  size_t (*scratch_byte_count)(ptrdiff_t row_count, ptrdiff_t column_count, ptrdiff_t depth);
  /// The columns of a full panel of `packed_product`; panels may also be half as wide. Integers
  /// have no such panels: 0, and NULL.
  ptrdiff_t panel_columns;
  /// Packs `columns` columns of B, at most `width`, as one panel: depth x width, with zeros in the
  /// missing columns. B needs no alignment; the panel of `packed_product` is aligned to 64.
  void (*pack_panel)(
      const void *b, ptrdiff_t depth_stride, ptrdiff_t column_stride, ptrdiff_t depth,
      ptrdiff_t columns, ptrdiff_t width, void *panel);
  /// Computes some rows of C in some panels of B, which is packed; A is read in place, with any
  /// strides. Each element is the sum of products in order of depth, in parts that only depend on
  /// the depth. The addend may be C.
  void (*packed_product)(
      const graft_gemm_problem *problem, ptrdiff_t first_row, ptrdiff_t row_count,
      ptrdiff_t first_panel, ptrdiff_t panel_count);
} graft_gemm_table;

/// The row stride of partial sums in elements: not a power of 2, so that a column's sums are in
/// different sets of the cache.
static inline ptrdiff_t graft_partial_stride(ptrdiff_t columns) { return columns + 16; }

enum { GRAFT_GEMV_MAXIMUM_ROWS = 4, GRAFT_ROW_SUM_MAXIMUM_ROWS = 32 };

/// Products of few rows of floats with a bfloat16 B. B is widened, and everything else is float, as
/// in `graft_gemm_table`.
typedef struct {
  void (*dot_columns)(
      const graft_gemm_problem *problem, ptrdiff_t first_column, ptrdiff_t column_count);
  void (*add_rows)(
      const graft_gemm_problem *problem, ptrdiff_t first_depth, ptrdiff_t depth_count,
      ptrdiff_t first_column, ptrdiff_t column_count, void *partial);
  void (*finish_rows)(
      const graft_gemm_problem *problem, const void *partial, ptrdiff_t split_count,
      ptrdiff_t first_column, ptrdiff_t column_count);
} graft_gemv_table;

#endif
