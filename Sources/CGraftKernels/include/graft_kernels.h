#ifndef GRAFT_KERNELS_H
#define GRAFT_KERNELS_H

// One header per kernel family.
#include "graft_binary.h"
#include "graft_blocked.h"
#include "graft_chain.h"
#include "graft_conv.h"
#include "graft_convert.h"
#include "graft_cpu.h"
#include "graft_depthwise.h"
#include "graft_fourier.h"
#include "graft_gemm.h"
#include "graft_movement.h"
#include "graft_normalization.h"
#include "graft_optimizer.h"
#include "graft_pool.h"
#include "graft_quantized.h"
#include "graft_recurrent.h"
#include "graft_reduce.h"
#include "graft_resampling.h"
#include "graft_similarity.h"
#include "graft_softmax.h"
#include "graft_trees.h"
#include "graft_unary.h"

/// The kernels of one instruction set: a table for each family.
typedef struct {
  /// GRAFT_ISA_…
  int32_t instruction_set;
  const graft_binary_table *_Nonnull binary;
  const graft_blocked_table *_Nonnull blocked;
  /// By element type, GRAFT_ELEMENT_…; of floating point only.
  const graft_conv_table *_Nonnull const *_Nonnull conv;
  const graft_convert_table *_Nonnull convert;
  /// By element type, of floating point only.
  const graft_depthwise_table *_Nonnull const *_Nonnull depthwise;
  /// By element type, of floating point only.
  const graft_fourier_table *_Nonnull const *_Nonnull fourier;
  /// By element type.
  const graft_gemm_table *_Nonnull const *_Nonnull gemm;
  /// With bfloat16 weights.
  const graft_gemv_table *_Nonnull gemv_bf16;
  const graft_movement_table *_Nonnull movement;
  const graft_normalization_table *_Nonnull normalization;
  /// By element type, of floating point only.
  const graft_optimizer_table *_Nonnull const *_Nonnull optimizer;
  const graft_pool_table *_Nonnull pool;
  const graft_quantized_table *_Nonnull quantized;
  /// By element type, of floating point only.
  const graft_recurrent_table *_Nonnull const *_Nonnull recurrent;
  const graft_reduce_table *_Nonnull reduce;
  const graft_resampling_table *_Nonnull resampling;
  const graft_similarity_table *_Nonnull similarity;
  const graft_softmax_table *_Nonnull softmax;
  const graft_unary_table *_Nonnull unary;
} graft_kernels;

/// The kernels for a processor with an instruction set (GRAFT_ISA_…): those of the best set of its
/// family that it includes.
const graft_kernels *_Nonnull graft_kernels_for(int32_t instruction_set);

#endif
