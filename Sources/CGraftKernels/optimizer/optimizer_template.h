// Steps of optimizers: see graft_optimizer.h.

// Loops carry no dependence: an output lies exactly on an input or nowhere near it.
#define EACH_ELEMENT \
  _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < count; i++)

static void sgd_momentum(
    graft_sgd_settings settings, const float *parameter, const float *gradient,
    const float *velocity, float *new_parameter, float *new_velocity, int64_t count) {
  const float rate = settings.learning_rate, momentum = settings.momentum;
  const float decay = settings.decay;
  const float ahead = settings.nesterov ? momentum : 1;
  const float direct = settings.nesterov ? rate : 0;
  EACH_ELEMENT {
    const float g = gradient[i], p = parameter[i];
    const float v = momentum * velocity[i] - rate * g;
    new_velocity[i] = v;
    new_parameter[i] = p + (ahead * v - direct * g - decay * p);
  }
}

static void adagrad(
    graft_adagrad_settings settings, const float *parameter, const float *gradient,
    const float *accumulator, float *new_parameter, float *new_accumulator, int64_t count) {
  const float rate = settings.learning_rate, decay = settings.decay, epsilon = settings.epsilon;
  EACH_ELEMENT {
    const float g = gradient[i], p = parameter[i];
    const float sum = accumulator[i] + g * g;
    new_accumulator[i] = sum;
    new_parameter[i] = p - (decay * p + rate * g / __builtin_elementwise_sqrt(sum + epsilon));
  }
}

// The pointers of what is left out are not read.
GRAFT_INLINE void rmsprop_form(
    graft_rmsprop_settings settings, graft_rmsprop_state state, const float *parameter,
    const float *gradient, float *new_parameter, int64_t count, int has_momentum,
    int is_centered) {
  const float rate = settings.learning_rate, decay = settings.decay, epsilon = settings.epsilon;
  const float rho = settings.rho, rest = settings.one_minus_rho, momentum = settings.momentum;
  EACH_ELEMENT {
    const float g = gradient[i], p = parameter[i];
    const float square = rho * state.square[i] + rest * (g * g);
    state.new_square[i] = square;
    float variance = square;
    if (is_centered) {
      const float average = rho * state.average[i] + rest * g;
      state.new_average[i] = average;
      variance = square - average * average;
      // By rounding only.
      variance = variance < 0 ? 0 : variance;
    }
    float move = rate * g / __builtin_elementwise_sqrt(variance + epsilon);
    if (has_momentum) {
      move = momentum * state.velocity[i] + move;
      state.new_velocity[i] = move;
    }
    new_parameter[i] = p - (decay * p + move);
  }
}

static void rmsprop(
    graft_rmsprop_settings settings, graft_rmsprop_state state, const float *parameter,
    const float *gradient, float *new_parameter, int64_t count) {
  if (state.velocity) {
    if (state.average) {
      rmsprop_form(settings, state, parameter, gradient, new_parameter, count, 1, 1);
    } else {
      rmsprop_form(settings, state, parameter, gradient, new_parameter, count, 1, 0);
    }
  } else if (state.average) {
    rmsprop_form(settings, state, parameter, gradient, new_parameter, count, 0, 1);
  } else {
    rmsprop_form(settings, state, parameter, gradient, new_parameter, count, 0, 0);
  }
}

static void adam(
    graft_adam_settings settings, const float *parameter, const float *gradient,
    const float *mean, const float *square, float *new_parameter, float *new_mean,
    float *new_square, int64_t count) {
  const float size = settings.step_size, decay = settings.decay, epsilon = settings.epsilon;
  const float mean_rest = settings.one_minus_beta1, square_rest = settings.one_minus_beta2;
  EACH_ELEMENT {
    const float g = gradient[i], p = parameter[i];
    const float m = mean[i] + (g - mean[i]) * mean_rest;
    const float v = square[i] + (g * g - square[i]) * square_rest;
    new_mean[i] = m;
    new_square[i] = v;
    new_parameter[i] = p - (decay * p + m * size / (__builtin_elementwise_sqrt(v) + epsilon));
  }
}

static const graft_optimizer_table optimizer_table = {
    .sgd_momentum = sgd_momentum,
    .adagrad = adagrad,
    .rmsprop = rmsprop,
    .adam = adam,
};

#undef EACH_ELEMENT
