#include "graft_chain.h"

#include <string.h>

/// An operand of a step: a block, or one element for the whole block.
typedef struct {
  const float *address;
  int is_single;
} block_register;

/// The part of an operand in a buffer; it need not be broadcast again.
typedef struct {
  ptrdiff_t span, phase, count;
} spread_state;

/// The element of the operand for element `position` of the result.
static ptrdiff_t offset_of(const graft_chain_operand *operand, ptrdiff_t position) {
  ptrdiff_t offset = 0;
  for (int32_t axis = operand->rank - 1; axis >= 0; axis--) {
    offset += position % operand->extents[axis] * operand->strides[axis];
    position /= operand->extents[axis];
  }
  return offset;
}

/// Writes the elements of an operand for a block of the result.
static void spread(
    const graft_chain_operand *operand, const float *source, ptrdiff_t position, ptrdiff_t count,
    float *target) {
  const int32_t last = operand->rank - 1;
  const ptrdiff_t extent = operand->extents[last];
  const int is_repeated = operand->strides[last] == 0;
  ptrdiff_t index[GRAFT_CHAIN_MAXIMUM_RANK];
  ptrdiff_t rest = position / extent, offset = 0, column = position % extent;
  for (int32_t axis = last - 1; axis >= 0; axis--) {
    index[axis] = rest % operand->extents[axis];
    rest /= operand->extents[axis];
    offset += index[axis] * operand->strides[axis];
  }
  while (1) {
    const ptrdiff_t length = extent - column < count ? extent - column : count;
    if (is_repeated) {
      const float value = source[offset];
      for (ptrdiff_t i = 0; i < length; i++) target[i] = value;
    } else {
      memcpy(target, source + offset + column, (size_t)length * sizeof *target);
    }
    target += length;
    count -= length;
    if (count == 0) return;
    column = 0;
    for (int32_t axis = last - 1; axis >= 0; axis--) {
      offset += operand->strides[axis];
      if (++index[axis] < operand->extents[axis]) break;
      offset -= operand->extents[axis] * operand->strides[axis];
      index[axis] = 0;
    }
  }
}

/// Broadcasts an operand for a block, unless its buffer already has the same elements.
static void refresh(
    const graft_chain_operand *operand, const float *source, ptrdiff_t position, ptrdiff_t count,
    float *target, spread_state *state) {
  const int32_t last = operand->rank - 1;
  const int is_repeated = operand->strides[last] == 0;
  // Within a span the operand repeats the same elements.
  const ptrdiff_t run = is_repeated ? 1 : operand->extents[last];
  ptrdiff_t span_length = operand->extents[last];
  if (!is_repeated && last > 0 && operand->strides[last - 1] == 0)
    span_length *= operand->extents[last - 1];
  const ptrdiff_t span = position / span_length, phase = position % run;
  const int is_inside = position % span_length + count <= span_length;
  if (is_inside && state->span == span && state->phase == phase && state->count >= count) return;
  spread(operand, source, position, count, target);
  *state = (spread_state){is_inside ? span : -1, phase, count};
}

static void run_step(
    const graft_chain *chain, const graft_chain_step *step, const block_register *registers,
    float *result, ptrdiff_t count) {
  const block_register x = registers[step->registers[0]];
  switch (step->kind) {
    case GRAFT_CHAIN_UNARY:
      step->unary(x.address, result, (size_t)count, step->alpha, step->beta);
      return;
    case GRAFT_CHAIN_CLIP: {
      const float low = *registers[step->registers[1]].address;
      const float high = *registers[step->registers[2]].address;
      step->unary(x.address, result, (size_t)count, low, high);
      return;
    }
    case GRAFT_CHAIN_BINARY: {
      const block_register y = registers[step->registers[1]];
      if (x.is_single)
        step->binary.scalar_vector(x.address, y.address, result, count);
      else if (y.is_single)
        step->binary.vector_scalar(x.address, y.address, result, count);
      else
        step->binary.vector_vector(x.address, y.address, result, count);
      return;
    }
    default: {
      const block_register mean = registers[step->registers[1]];
      const block_register scale = registers[step->registers[2]];
      const block_register shift = registers[step->registers[3]];
      if (mean.is_single)
        chain->normalization->normalize(
            x.address, result, count, *mean.address, *scale.address, *shift.address);
      else
        chain->normalization->normalize_elements(
            x.address, result, count, mean.address, scale.address, shift.address);
    }
  }
}

void graft_chain_run(
    const graft_chain *chain, const float *const *operands, float *result, float *scratch,
    ptrdiff_t first, ptrdiff_t count) {
  block_register registers[GRAFT_CHAIN_MAXIMUM_REGISTERS];
  spread_state states[GRAFT_CHAIN_MAXIMUM_REGISTERS];
  const int32_t operand_count = chain->operand_count;
  const int32_t result_register = operand_count + chain->buffer_count;
  for (int32_t i = 0; i < operand_count; i++) states[i].span = -1;
  for (int32_t i = 0; i < chain->buffer_count; i++)
    registers[operand_count + i] = (block_register){scratch + i * GRAFT_CHAIN_BLOCK, 0};
  const ptrdiff_t end = first + count;
  for (ptrdiff_t position = first; position < end;) {
    ptrdiff_t length = end - position < GRAFT_CHAIN_BLOCK ? end - position : GRAFT_CHAIN_BLOCK;
    if (chain->row > 0) {
      const ptrdiff_t left = chain->row - position % chain->row;
      if (left < length) length = left;
    }
    for (int32_t i = 0; i < operand_count; i++) {
      const graft_chain_operand *operand = chain->operands + i;
      if (operand->is_full) {
        registers[i] = (block_register){operands[i] + position, 0};
      } else if (operand->rank == 0) {
        registers[i] = (block_register){operands[i], 1};
      } else if (chain->row > 0) {
        registers[i] = (block_register){operands[i] + offset_of(operand, position),
                                        operand->strides[operand->rank - 1] == 0};
      } else {
        float *buffer = scratch + operand->buffer * GRAFT_CHAIN_BLOCK;
        refresh(operand, operands[i], position, length, buffer, states + i);
        registers[i] = (block_register){buffer, 0};
      }
    }
    for (int32_t i = 0; i < chain->step_count; i++) {
      const graft_chain_step *step = chain->steps + i;
      float *target = step->result == result_register
                          ? result + position
                          : scratch + (step->result - operand_count) * GRAFT_CHAIN_BLOCK;
      run_step(chain, step, registers, target, length);
    }
    position += length;
  }
}
