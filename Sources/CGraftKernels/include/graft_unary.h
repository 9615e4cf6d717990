#ifndef GRAFT_UNARY_H
#define GRAFT_UNARY_H

#include <stddef.h>
#include <stdint.h>

/// Maps `count` floats of `x` to those of `y`; `y` may be `x`, but must not overlap it otherwise.
///
/// A result depends only on the element's value and the two parameters, not on its position.
typedef void (*graft_unary_function)(
    const float *x, float *y, size_t count, float alpha, float beta);

/// One function per operator, with the meaning of `alpha` and `beta` where they are used.
///
/// Results of celu, elu, erf, exp, gelu_tanh, log, mish, sigmoid, softplus, swish and tanh are
/// within 2 ULP of the correctly rounded one, those of gelu within 3.
typedef struct {
  graft_unary_function absolute;
  graft_unary_function ceil;
  graft_unary_function celu;  // alpha > 0
  graft_unary_function clip;  // to alpha, then to beta
  graft_unary_function elu;
  graft_unary_function erf;
  graft_unary_function exp;
  graft_unary_function floor;
  graft_unary_function gelu;
  graft_unary_function gelu_tanh;
  graft_unary_function hard_sigmoid;  // min(max(alpha * x + beta, 0), 1)
  graft_unary_function hard_swish;
  graft_unary_function leaky_relu;  // alpha: slope below zero
  graft_unary_function log;
  graft_unary_function mish;
  graft_unary_function negate;
  graft_unary_function reciprocal;
  graft_unary_function relu;
  graft_unary_function round;              // halves to even
  graft_unary_function round_to_bfloat16;  // nearest, ties to even, as a float
  graft_unary_function round_to_float16;
  graft_unary_function selu;    // beta * (x > 0 ? x : alpha * (exp(x) - 1))
  graft_unary_function shrink;  // alpha: threshold, beta: bias
  graft_unary_function sigmoid;
  graft_unary_function sign;
  graft_unary_function softplus;
  graft_unary_function softsign;
  graft_unary_function sqrt;
  graft_unary_function swish;  // x * sigmoid(alpha * x)
  graft_unary_function tanh;
  graft_unary_function thresholded_relu;  // x > alpha ? x : 0
} graft_unary_table;

#endif
