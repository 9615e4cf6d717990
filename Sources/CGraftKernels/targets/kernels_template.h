// Makes the kernels of one instruction set. The file that includes this is compiled for that set,
// includes the operations of the set from the vector folder, and defines
//   INSTRUCTION_SET   GRAFT_ISA_…
//   KERNELS           the name of the kernels
//   VECTOR_BYTES      the width of a vector
//   GEMM_ROWS         rows of a full register tile of matrix products: 4, 6 or 14
//   BLOCKED_ROWS      the same in the blocked layout: 3, 6 or 14
//   PANEL_BLOCKS      blocks of 16 columns of a panel in the blocked layout
//   UNROLLS_BLOCKS    whether its tile takes all 16 channels of a block at once, which was measured
//                     to be faster with some sets
//   INTEGER_ROWS      rows of a full register tile of integer products: 4, 6 or 12
//   HAS_FMA           whether there is a fused multiply-add
//   HAS_F16C          whether there are conversions of float16
//   HAS_AVX512        whether there are the intrinsics of AVX-512

// Functions with vector arguments are inlined, as calling conventions differ between sets.
#pragma clang diagnostic ignored "-Wpsabi"

#include "../vector/rows.h"

#include "../binary/binary_template.h"
#include "../convert/convert_template.h"
#include "../elementwise/unary_template.h"
#include "../fourier/fourier_template.h"
#include "../movement/transpose_template.h"
#include "../normalization/normalization_template.h"
#include "../optimizer/optimizer_template.h"
#include "../reduce/reduce_template.h"
#include "../resampling/resampling_template.h"
#include "../similarity/similarity_template.h"
#include "../softmax/softmax_template.h"

// These use the ones before them.
#include "../gemm/gemm_template.h"
#include "../conv/conv_template.h"
#include "../depthwise/depthwise_template.h"
#include "../blocked/blocked_template.h"
#include "../pool/pool_template.h"
#include "../quantized/quantized_template.h"
#include "../recurrent/recurrent_template.h"

const graft_kernels KERNELS = {
    .instruction_set = INSTRUCTION_SET,
    .binary = &binary_table,
    .blocked = &blocked_table,
    .conv = conv_tables,
    .convert = &convert_table,
    .depthwise = depthwise_tables,
    .fourier = fourier_tables,
    .gemm = gemm_tables,
    .gemv_bf16 = &gemv_bf16_table,
    .movement = &movement_table,
    .normalization = &normalization_table,
    .optimizer = optimizer_tables,
    .pool = &pool_table,
    .quantized = &quantized_table,
    .recurrent = recurrent_tables,
    .reduce = &reduce_table,
    .resampling = &resampling_table,
    .similarity = &similarity_table,
    .softmax = &softmax_table,
    .unary = &unary_table,
};
