#ifndef GRAFT_OPTIMIZER_H
#define GRAFT_OPTIMIZER_H

#include <stdint.h>

/// Values that a rule keeps for each element of the parameter, before and after the step.
typedef struct {
  const void *old_values;
  void *new_values;
} graft_optimizer_state;

/// A step over `count` elements. New values may lie exactly on old ones, or on the gradient.
typedef struct {
  int64_t count;
  const void *parameter, *gradient;
  void *new_parameter;
  graft_optimizer_state states[3];
  /// The learning rate times this share of the parameter is subtracted together with the step, as
  /// 1 - learning_rate * weight_decay would lose most of its digits.
  double learning_rate, weight_decay;
  double epsilon, momentum;
  /// How much moving averages keep: that of the gradients (beta1), and that of their squares
  /// (beta2).
  double beta1, beta2;
  /// Adam: the learning rate with both bias corrections in it.
  double step_size;
  /// Whether the step looks ahead along the new velocity.
  int32_t nesterov;
} graft_optimizer_step;

typedef void (*graft_optimizer_rule)(const graft_optimizer_step *step);

/// The rules for one element type. Doubles are rounded after each operation.
typedef struct {
  /// States: velocity. It becomes momentum * velocity - rate * gradient; the parameter moves by it.
  graft_optimizer_rule sgd_momentum;
  /// States: accumulator, the sum of the squares of the gradients. Divides by its square root.
  graft_optimizer_rule adagrad;
  /// States: the moving average of the squares; the velocity, null without momentum; the moving
  /// average of the gradients, both averaged with beta2, null unless the step is centered. Divides
  /// by the square root of the first or of the variance.
  graft_optimizer_rule rmsprop;
  /// States: the moving averages of the gradients and of their squares. Moves along the first,
  /// divided by the square root of the second.
  graft_optimizer_rule adam;
} graft_optimizer_table;

#endif
