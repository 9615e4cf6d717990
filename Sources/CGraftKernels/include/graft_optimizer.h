#ifndef GRAFT_OPTIMIZER_H
#define GRAFT_OPTIMIZER_H

#include <stdint.h>

/// Values that a rule stores for each element of the parameter, before and after the step.
typedef struct {
  const void *old_values;
  void *new_values;
} graft_optimizer_state;

/// The numbers of a rule; those that it does not read are 0.
typedef struct {
  double epsilon, momentum, weight_decay;
  /// The decay rates of the moving averages of the gradients (beta1) and of their squares (beta2).
  double beta1, beta2;
  /// Whether to use Nesterov momentum.
  int32_t nesterov;
} graft_optimizer_settings;

/// A step over `count` elements. New values may be in exactly the memory of old ones, or of the
/// gradient.
typedef struct {
  int64_t count;
  const void *parameter, *gradient;
  void *new_parameter;
  graft_optimizer_state states[3];
  graft_optimizer_settings settings;
  /// The learning rate times weight_decay is the fraction of the parameter that is subtracted
  /// together with the step: 1 - learning_rate * weight_decay would lose most of its digits.
  double learning_rate;
  /// The learning rate with Adam's bias corrections.
  double step_size;
} graft_optimizer_step;

typedef void (*graft_optimizer_rule)(const graft_optimizer_step *step);

/// The rules for one element type. Doubles are rounded after each operation.
typedef struct {
  /// States: velocity. It becomes momentum * velocity - rate * gradient and is added to the
  /// parameter.
  graft_optimizer_rule sgd_momentum;
  /// States: accumulator, the sum of squared gradients. Divides by its square root.
  graft_optimizer_rule adagrad;
  /// States: the moving average of the squares; the velocity, null without momentum; the moving
  /// average of the gradients, null unless the step is centered. Both averages use beta2. Divides
  /// by the square root of the first or of the variance.
  graft_optimizer_rule rmsprop;
  /// States: the moving averages of the gradients and of their squares. The step is the first
  /// divided by the square root of the second.
  graft_optimizer_rule adam;
} graft_optimizer_table;

#endif
