#ifndef GRAFT_OPTIMIZER_H
#define GRAFT_OPTIMIZER_H

#include <stdint.h>

// Optimizer steps over rows of floats. Outputs may lie exactly on inputs.

typedef struct {
  float learning_rate, momentum;
  /// Share of the parameter that a step takes away, before the learning rate.
  float weight_decay;
  /// Whether the step looks ahead along the new velocity.
  int32_t nesterov;
} graft_sgd_settings;

typedef struct {
  /// new_velocity = momentum * velocity - rate * gradient; the parameter moves by it.
  void (*sgd_momentum)(graft_sgd_settings settings, const float *parameter, const float *gradient,
                       const float *velocity, float *new_parameter, float *new_velocity,
                       int64_t count);
} graft_optimizer_table;

/// The kernels for an instruction set, one of `GRAFT_ISA_…`.
const graft_optimizer_table *graft_optimizer_kernels(int32_t isa);

#endif
