#ifndef GRAFT_OPTIMIZER_H
#define GRAFT_OPTIMIZER_H

#include <stdint.h>

// Optimizer steps over rows of floats. Outputs may lie exactly on inputs.
//
// In all settings, `decay` is the share of the parameter that a step takes away besides: the
// learning rate times the weight decay. It is subtracted together with the step, as 1 - decay
// would lose most of its digits.

typedef struct {
  float learning_rate, decay, momentum;
  /// Whether the step looks ahead along the new velocity.
  int32_t nesterov;
} graft_sgd_settings;

typedef struct {
  float learning_rate, decay, epsilon;
} graft_adagrad_settings;

typedef struct {
  float learning_rate, decay, epsilon;
  float rho, one_minus_rho, momentum;
} graft_rmsprop_settings;

/// Moving averages. `velocity` is null without momentum, `average` unless the step is centered; so
/// are their new forms.
typedef struct {
  /// Of the squares of the gradients.
  const float *square;
  float *new_square;
  /// Of the moves.
  const float *velocity;
  float *new_velocity;
  /// Of the gradients.
  const float *average;
  float *new_average;
} graft_rmsprop_state;

typedef struct {
  /// The learning rate with both bias corrections in it.
  float step_size, decay, epsilon;
  float one_minus_beta1, one_minus_beta2;
} graft_adam_settings;

typedef struct {
  /// new_velocity = momentum * velocity - rate * gradient; the parameter moves by it.
  void (*sgd_momentum)(graft_sgd_settings settings, const float *parameter, const float *gradient,
                       const float *velocity, float *new_parameter, float *new_velocity,
                       int64_t count);
  /// new_accumulator = accumulator + gradient^2; divides by the square root of that.
  void (*adagrad)(graft_adagrad_settings settings, const float *parameter, const float *gradient,
                  const float *accumulator, float *new_parameter, float *new_accumulator,
                  int64_t count);
  /// Divides by the square root of the moving average of the squares, or of the variance.
  void (*rmsprop)(graft_rmsprop_settings settings, graft_rmsprop_state state,
                  const float *parameter, const float *gradient, float *new_parameter,
                  int64_t count);
  /// Moves along the moving average of the gradients, divided by the square root of that of their
  /// squares.
  void (*adam)(graft_adam_settings settings, const float *parameter, const float *gradient,
               const float *mean, const float *square, float *new_parameter, float *new_mean,
               float *new_square, int64_t count);
} graft_optimizer_table;

#endif
