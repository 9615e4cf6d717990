#ifndef GRAFT_CHAIN_H
#define GRAFT_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "graft_binary.h"
#include "graft_normalization.h"
#include "graft_unary.h"

// Chains of elementwise functions, computed block by block: intermediate results stay in the L1
// cache.

enum {
  /// The floats of a block.
  GRAFT_CHAIN_BLOCK = 1024,
  /// The operands, buffers and the result together.
  GRAFT_CHAIN_MAXIMUM_REGISTERS = 64,
  GRAFT_CHAIN_MAXIMUM_RANK = 16,
};

/// How the elements of an operand are broadcast to those of the result.
typedef struct {
  /// The axes of the result, outermost first, without those that the operand does not distinguish;
  /// 0 for an operand of one element.
  int32_t rank;
  const ptrdiff_t *extents;
  /// In elements of the operand; the last one is 0 or 1.
  const ptrdiff_t *strides;
  /// Whether it has one element for each of the result, in the same order.
  int32_t is_full;
  /// The buffer for its broadcast blocks.
  int32_t buffer;
} graft_chain_operand;

enum {
  GRAFT_CHAIN_UNARY = 0,
  GRAFT_CHAIN_BINARY = 1,
  /// The unary function's parameters are registers 1 and 2, operands of one element.
  GRAFT_CHAIN_CLIP = 2,
  /// (x - mean) * scale + shift
  GRAFT_CHAIN_NORMALIZE = 3,
};

/// One function of a chain. Registers number the operands first, then the buffers, then the result.
typedef struct {
  int32_t kind;
  int32_t registers[4];
  int32_t result;
  graft_unary_function unary;
  float alpha, beta;
  graft_binary_f32_rows binary;
} graft_chain_step;

typedef struct {
  const graft_normalization_table *normalization;
  int32_t operand_count, buffer_count, step_count;
  const graft_chain_operand *operands;
  const graft_chain_step *steps;
  /// The elements of the result over which each operand is contiguous or one repeated element;
  /// blocks do not cross multiples of this number. With 0, repeating operands are broadcast in
  /// buffers.
  ptrdiff_t row;
} graft_chain;

/// Computes elements of the result from `first` on, with scratch memory for all buffers.
///
/// Only the last step writes to the result, which may be the memory of any full operand.
void graft_chain_run(
    const graft_chain *chain, const float *const *operands, float *result, float *scratch,
    ptrdiff_t first, ptrdiff_t count);

#endif
