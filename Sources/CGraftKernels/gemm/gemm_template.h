// Matrix products: see graft_gemm.h.

#include "gemm_tile.h"

#define ELEMENT float
#define IS_FLOATING 1
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_f32
#include "gemm_element_template.h"
#include "gemv_bf16_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT double
#define IS_FLOATING 1
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_f64
#include "gemm_element_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT uint32_t
#define IS_FLOATING 0
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_i32
#include "gemm_element_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT uint64_t
#define IS_FLOATING 0
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_i64
#include "gemm_element_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

static const graft_gemm_table *const gemm_tables[4] = {
    &gemm_table_f32,
    &gemm_table_f64,
    &gemm_table_i32,
    &gemm_table_i64,
};

static const graft_gemv_table gemv_bf16_table = {dot_columns_bf16, add_rows_bf16, finish_rows_f32};
