// Vectors and activation functions of recurrent steps, for one element type. The file that includes
// this defines
//   ELEMENT, IS_SINGLE     the element type, and whether it is float
//   LANES                  elements of a vector
//   NAME(base)             the name of a function of this instance

GRAFT_INLINE NAME(vector) NAME(lanes_at)(const void *base, ptrdiff_t offset) {
  return *(const NAME(unaligned_vector) *)((const ELEMENT *)base + offset);
}

GRAFT_INLINE void NAME(put_lanes)(void *base, ptrdiff_t offset, NAME(vector) x) {
  *(NAME(unaligned_vector) *)((ELEMENT *)base + offset) = x;
}

/// The first `count` lanes, zero in the others.
GRAFT_INLINE NAME(vector)
    NAME(first_lanes_at)(const void *base, ptrdiff_t offset, ptrdiff_t count) {
  if (count >= LANES) return NAME(lanes_at)(base, offset);
  NAME(vector) x = (NAME(vector))(ELEMENT)0;
  memcpy(&x, (const ELEMENT *)base + offset, (size_t)count * sizeof(ELEMENT));
  return x;
}

GRAFT_INLINE void NAME(put_first_lanes)(
    void *base, ptrdiff_t offset, ptrdiff_t count, NAME(vector) x) {
  if (count >= LANES)
    NAME(put_lanes)(base, offset, x);
  else
    memcpy((ELEMENT *)base + offset, &x, (size_t)count * sizeof(ELEMENT));
}

/// `x` with zeros in the lanes from `count` on.
GRAFT_INLINE NAME(vector) NAME(without_padding)(NAME(vector) x, ptrdiff_t count) {
  if (count < LANES)
    for (int lane = 0; lane < LANES; lane++)
      if (lane >= count) x[lane] = 0;
  return x;
}

GRAFT_INLINE NAME(vector) NAME(limited)(NAME(vector) x, ELEMENT lowest, ELEMENT highest) {
  const NAME(vector) low = lowest, high = highest;
  x = x < low ? low : x;
  return x > high ? high : x;
}

GRAFT_INLINE NAME(vector) NAME(magnitude_of)(NAME(vector) x) { return x < 0 ? -x : x; }

#if IS_SINGLE

GRAFT_INLINE NAME(vector) NAME(step_sigmoid)(NAME(vector) x) {
  return (NAME(vector))step_sigmoid((floats)x);
}
GRAFT_INLINE NAME(vector) NAME(step_tanh)(NAME(vector) x) {
  return (NAME(vector))step_tanh((floats)x);
}
/// Of numbers up to 0.
GRAFT_INLINE NAME(vector) NAME(step_exp_minus_one)(NAME(vector) x) {
  return (NAME(vector))vector_exp_minus_one((floats)x);
}
GRAFT_INLINE NAME(vector) NAME(step_softplus)(NAME(vector) x) {
  const floats y = (floats)x;
  return (NAME(vector))(at_least(y, 0) + vector_log_one_plus(vector_exp(-magnitude(y))));
}

#else

GRAFT_INLINE NAME(vector) NAME(step_sigmoid)(NAME(vector) x) {
  for (int lane = 0; lane < LANES; lane++) x[lane] = 1 / (1 + exp(-x[lane]));
  return x;
}
GRAFT_INLINE NAME(vector) NAME(step_tanh)(NAME(vector) x) {
  for (int lane = 0; lane < LANES; lane++) x[lane] = tanh(x[lane]);
  return x;
}
GRAFT_INLINE NAME(vector) NAME(step_exp_minus_one)(NAME(vector) x) {
  for (int lane = 0; lane < LANES; lane++) x[lane] = expm1(x[lane]);
  return x;
}
GRAFT_INLINE NAME(vector) NAME(step_softplus)(NAME(vector) x) {
  for (int lane = 0; lane < LANES; lane++) x[lane] = fmax(x[lane], 0) + log1p(exp(-fabs(x[lane])));
  return x;
}

#endif

/// An activation; a constant `kind` leaves its case only.
GRAFT_INLINE NAME(vector)
    NAME(activated)(int32_t kind, const graft_recurrent_function *function, NAME(vector) x) {
  const NAME(vector) zero = (ELEMENT)0;
  const ELEMENT alpha = (ELEMENT)function->alpha, beta = (ELEMENT)function->beta;
  switch (kind) {
    case GRAFT_RECURRENT_RELU: return x < zero ? zero : x;
    case GRAFT_RECURRENT_TANH: return NAME(step_tanh)(x);
    case GRAFT_RECURRENT_SIGMOID: return NAME(step_sigmoid)(x);
    case GRAFT_RECURRENT_AFFINE: return alpha * x + beta;
    case GRAFT_RECURRENT_LEAKY_RELU: return x < zero ? alpha * x : x;
    case GRAFT_RECURRENT_THRESHOLDED_RELU: return x < (NAME(vector))alpha ? zero : x;
    case GRAFT_RECURRENT_SCALED_TANH: return alpha * NAME(step_tanh)(beta * x);
    case GRAFT_RECURRENT_HARD_SIGMOID: return NAME(limited)(alpha * x + beta, 0, 1);
    case GRAFT_RECURRENT_ELU:
      return x < zero ? alpha * NAME(step_exp_minus_one)(x < zero ? x : zero) : x;
    case GRAFT_RECURRENT_SOFTSIGN: return x / (1 + NAME(magnitude_of)(x));
    default: return NAME(step_softplus)(x);
  }
}

/// The derivative of an activation at `x`, where it is `y`.
GRAFT_INLINE NAME(vector) NAME(slope)(
    int32_t kind, const graft_recurrent_function *function, NAME(vector) x, NAME(vector) y) {
  const NAME(vector) zero = (ELEMENT)0, one = (ELEMENT)1;
  const ELEMENT alpha = (ELEMENT)function->alpha, beta = (ELEMENT)function->beta;
  switch (kind) {
    case GRAFT_RECURRENT_RELU: return x > zero ? one : zero;
    case GRAFT_RECURRENT_TANH: return 1 - y * y;
    case GRAFT_RECURRENT_SIGMOID: return y * (1 - y);
    case GRAFT_RECURRENT_AFFINE: return alpha;
    case GRAFT_RECURRENT_LEAKY_RELU: return x < zero ? (NAME(vector))alpha : one;
    case GRAFT_RECURRENT_THRESHOLDED_RELU: return x < (NAME(vector))alpha ? zero : one;
    case GRAFT_RECURRENT_SCALED_TANH: {
      const NAME(vector) tangent = NAME(step_tanh)(beta * x);
      return alpha * beta * (1 - tangent * tangent);
    }
    case GRAFT_RECURRENT_HARD_SIGMOID:
      return y > zero ? (y < one ? (NAME(vector))alpha : zero) : zero;
    case GRAFT_RECURRENT_ELU: return x < zero ? y + alpha : one;
    case GRAFT_RECURRENT_SOFTSIGN: {
      const NAME(vector) divisor = 1 + NAME(magnitude_of)(x);
      return 1 / (divisor * divisor);
    }
    default: return NAME(step_sigmoid)(x);
  }
}

/// The functions of a step. With `is_plain` they are Sigmoid, Tanh and Tanh without a limit, known
/// when the kernel is compiled.
typedef struct {
  const graft_recurrent_step *step;
  ELEMENT clip;
  int32_t f, g, h;
  int is_plain;
} NAME(functions);

GRAFT_INLINE NAME(functions)
    NAME(functions_of)(const graft_recurrent_step *step, const int is_plain) {
  const NAME(functions) result = {
      .step = step,
      .clip = (ELEMENT)step->clip,
      .f = is_plain ? GRAFT_RECURRENT_SIGMOID : step->f.kind,
      .g = is_plain ? GRAFT_RECURRENT_TANH : step->g.kind,
      .h = is_plain ? GRAFT_RECURRENT_TANH : step->h.kind,
      .is_plain = is_plain,
  };
  return result;
}

/// What enters an activation of a gate.
GRAFT_INLINE NAME(vector) NAME(clipped)(const NAME(functions) * functions, NAME(vector) x) {
  return functions->is_plain ? x : NAME(limited)(x, -functions->clip, functions->clip);
}

/// The gradient of a gate's sum `x`, from that of its activation.
GRAFT_INLINE NAME(vector)
    NAME(through_clip)(const NAME(functions) * functions, NAME(vector) x, NAME(vector) gradient) {
  if (functions->is_plain) return gradient;
  const NAME(vector) limit = functions->clip, zero = (ELEMENT)0;
  return NAME(magnitude_of)(x) > limit ? zero : gradient;
}

/// Whether a row's sequence has an element at the time of the step.
GRAFT_INLINE int NAME(is_active)(const graft_recurrent_step *step, ptrdiff_t row) {
  return !step->lengths || step->lengths[row] > step->time;
}
