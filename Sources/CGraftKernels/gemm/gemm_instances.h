// Makes the matrix kernels of one instruction set. The file that includes this defines
//   TARGET         the target attribute
//   VECTOR_BYTES   the width of a vector
//   MAXIMUM_ROWS   rows of a full tile
//   TABLE(base)    the name of an exported table

#include "gemm_tables.h"

#define ELEMENT float
#define IS_FLOATING 1
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_f32
#include "gemm_template.h"
#include "gemv_bf16_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT double
#define IS_FLOATING 1
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_f64
#include "gemm_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT uint32_t
#define IS_FLOATING 0
#define LANES (VECTOR_BYTES / 4)
#define NAME(base) base##_i32
#include "gemm_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

#define ELEMENT uint64_t
#define IS_FLOATING 0
#define LANES (VECTOR_BYTES / 8)
#define NAME(base) base##_i64
#include "gemm_template.h"
#undef ELEMENT
#undef IS_FLOATING
#undef LANES
#undef NAME

const graft_tile_table *const TABLE(graft_tile)[4] = {
    &tile_table_f32, &tile_table_f64, &tile_table_i32, &tile_table_i64,
};

const graft_gemm_table *const TABLE(graft_gemm)[4] = {
    &gemm_table_f32, &gemm_table_f64, &gemm_table_i32, &gemm_table_i64,
};

const graft_gemv_table TABLE(graft_gemv_bf16) = {dot_columns_bf16, add_rows_bf16, finish_rows_f32};
