// Steps of optimizers for one element type. The file that includes this defines
//   ELEMENT      the element type
//   NAME(base)   the name of a function of this instance

// The operands of all steps.
#define STEP                                                                    \
  const graft_optimizer_settings settings = step->settings;                     \
  const ELEMENT *const parameter = step->parameter;                             \
  const ELEMENT *const gradient = step->gradient;                               \
  ELEMENT *const new_parameter = step->new_parameter;                           \
  const ELEMENT rate = (ELEMENT)step->learning_rate;                            \
  const ELEMENT decay = (ELEMENT)(step->learning_rate * settings.weight_decay); \
  const int64_t count = step->count

#define STATE(name, index)                                    \
  const ELEMENT *const name = step->states[index].old_values; \
  ELEMENT *const new_##name = step->states[index].new_values

static void NAME(sgd_momentum)(const graft_optimizer_step *step) {
  STEP;
  STATE(velocity, 0);
  const ELEMENT momentum = (ELEMENT)settings.momentum;
  const ELEMENT ahead = settings.nesterov ? momentum : 1;
  const ELEMENT direct = settings.nesterov ? rate : 0;
  EACH_ELEMENT {
    const ELEMENT g = gradient[i], p = parameter[i];
    const ELEMENT v = momentum * velocity[i] - rate * g;
    new_velocity[i] = v;
    new_parameter[i] = p + (ahead * v - direct * g - decay * p);
  }
}

static void NAME(adagrad)(const graft_optimizer_step *step) {
  STEP;
  STATE(accumulator, 0);
  const ELEMENT epsilon = (ELEMENT)settings.epsilon;
  EACH_ELEMENT {
    const ELEMENT g = gradient[i], p = parameter[i];
    const ELEMENT sum = accumulator[i] + g * g;
    new_accumulator[i] = sum;
    new_parameter[i] = p - (decay * p + rate * g / __builtin_elementwise_sqrt(sum + epsilon));
  }
}

// Pointers of omitted states are not read.
GRAFT_INLINE void NAME(rmsprop_form)(
    const graft_optimizer_step *step, int has_momentum, int is_centered) {
  STEP;
  STATE(square, 0);
  STATE(velocity, 1);
  STATE(average, 2);
  const ELEMENT epsilon = (ELEMENT)settings.epsilon, momentum = (ELEMENT)settings.momentum;
  const ELEMENT rho = (ELEMENT)settings.beta2, rest = (ELEMENT)(1 - settings.beta2);
  EACH_ELEMENT {
    const ELEMENT g = gradient[i], p = parameter[i];
    const ELEMENT s = rho * square[i] + rest * (g * g);
    new_square[i] = s;
    ELEMENT variance = s;
    if (is_centered) {
      const ELEMENT mean = rho * average[i] + rest * g;
      new_average[i] = mean;
      variance = s - mean * mean;
      // Negative only by rounding.
      variance = variance < 0 ? 0 : variance;
    }
    ELEMENT move = rate * g / __builtin_elementwise_sqrt(variance + epsilon);
    if (has_momentum) {
      move = momentum * velocity[i] + move;
      new_velocity[i] = move;
    }
    new_parameter[i] = p - (decay * p + move);
  }
}

static void NAME(rmsprop)(const graft_optimizer_step *step) {
  if (step->states[1].old_values) {
    if (step->states[2].old_values)
      NAME(rmsprop_form)(step, 1, 1);
    else
      NAME(rmsprop_form)(step, 1, 0);
  } else if (step->states[2].old_values) {
    NAME(rmsprop_form)(step, 0, 1);
  } else {
    NAME(rmsprop_form)(step, 0, 0);
  }
}

static void NAME(adam)(const graft_optimizer_step *step) {
  STEP;
  STATE(mean, 0);
  STATE(square, 1);
  (void)rate;
  const ELEMENT size = (ELEMENT)step->step_size, epsilon = (ELEMENT)settings.epsilon;
  const ELEMENT mean_rest = (ELEMENT)(1 - settings.beta1);
  const ELEMENT square_rest = (ELEMENT)(1 - settings.beta2);
  EACH_ELEMENT {
    const ELEMENT g = gradient[i], p = parameter[i];
    const ELEMENT m = mean[i] + (g - mean[i]) * mean_rest;
    const ELEMENT v = square[i] + (g * g - square[i]) * square_rest;
    new_mean[i] = m;
    new_square[i] = v;
    new_parameter[i] = p - (decay * p + m * size / (__builtin_elementwise_sqrt(v) + epsilon));
  }
}

static const graft_optimizer_table NAME(optimizer_table) = {
    .sgd_momentum = NAME(sgd_momentum),
    .adagrad = NAME(adagrad),
    .rmsprop = NAME(rmsprop),
    .adam = NAME(adam),
};

#undef STEP
#undef STATE
