#ifndef GRAFT_RECURRENT_H
#define GRAFT_RECURRENT_H

#include <stddef.h>
#include <stdint.h>

// One step of LSTM, GRU and RNN after its matrix products, for some sequences of a batch (rows) and
// some blocks of hidden units.
//
// Hidden units are in blocks of `block_units`, one or two vectors. Gates of a row are [block][gate]
// [unit], and states are [block][unit]: the last block may have more lanes than there are units.
// What is in these lanes has no meaning, but their gradients are 0.

/// Activation functions, with `alpha` and `beta` where they are used.
enum {
  GRAFT_RECURRENT_RELU = 0,
  GRAFT_RECURRENT_TANH = 1,
  GRAFT_RECURRENT_SIGMOID = 2,
  GRAFT_RECURRENT_AFFINE = 3,            // alpha * x + beta
  GRAFT_RECURRENT_LEAKY_RELU = 4,        // x >= 0 ? x : alpha * x
  GRAFT_RECURRENT_THRESHOLDED_RELU = 5,  // x >= alpha ? x : 0
  GRAFT_RECURRENT_SCALED_TANH = 6,       // alpha * tanh(beta * x)
  GRAFT_RECURRENT_HARD_SIGMOID = 7,      // clamp(alpha * x + beta, 0, 1)
  GRAFT_RECURRENT_ELU = 8,               // x >= 0 ? x : alpha * (exp(x) - 1)
  GRAFT_RECURRENT_SOFTSIGN = 9,          // x / (1 + |x|)
  GRAFT_RECURRENT_SOFTPLUS = 10,         // log(1 + exp(x))
};

typedef struct {
  /// GRAFT_RECURRENT_…
  int32_t kind;
  double alpha, beta;
} graft_recurrent_function;

/// All strides count elements, and are between rows.
typedef struct {
  ptrdiff_t row_count;
  ptrdiff_t unit_count, block_units, first_block, block_count;
  /// f, g and h of the specification; RNN only has f, GRU has f and g.
  graft_recurrent_function f, g, h;
  /// The largest magnitude of what enters the gates' functions; infinity if there is no limit.
  double clip;
  /// Whether LSTM's forget gate is 1 - its input gate.
  int32_t couples_gates;
  /// The lengths of the rows' sequences, or NULL; from `time` >= length on the states stay as they
  /// are, and outputs are 0.
  const int32_t *lengths;
  ptrdiff_t time;

  /// Sums that enter the gates: LSTM [block][i, o, f, c][unit], GRU [block][z, r][unit], RNN
  /// [block][unit]. Gradients overwrite them.
  void *gates;
  ptrdiff_t gates_stride;
  /// GRU's sums for the hidden gate, [block][unit]: without the part in `recurrent`, if there is
  /// one. Gradients overwrite both.
  void *candidates;
  ptrdiff_t candidates_stride;
  /// With linear_before_reset the part that the reset gate multiplies, or NULL.
  void *recurrent;
  ptrdiff_t recurrent_stride;
  /// LSTM's peepholes, [i, o, f][padded unit], or NULL.
  const void *peepholes;
  ptrdiff_t peephole_stride;

  /// States of hidden units (and LSTM's cells) before and after the step.
  const void *hidden_before, *cell_before;
  ptrdiff_t before_stride;
  void *hidden_after, *cell_after;
  ptrdiff_t after_stride;
  /// GRU without linear_before_reset: the reset gate times the hidden state before the step.
  void *reset_hidden;
  ptrdiff_t reset_stride;
  /// The output, [unit]; or NULL.
  void *y;
  ptrdiff_t y_stride;

  /// For gradients: that of the output, laid out like it, or NULL.
  const void *y_gradient;
  /// Those of the states after the step; become those of the states before it, without what comes
  /// through products with R.
  void *hidden_gradient, *cell_gradient;
  ptrdiff_t gradient_stride;
  /// GRU without linear_before_reset: the gradient of `reset_hidden`, `gradient_stride` apart.
  const void *reset_gradient;
  /// Sums of the peepholes' gradients over the steps of each row, [i, o, f][padded unit], or NULL.
  void *peephole_gradient;
  ptrdiff_t peephole_gradient_stride;
} graft_recurrent_step;

/// The kernels of one element type.
typedef struct {
  void (*lstm)(const graft_recurrent_step *step);
  void (*gru)(const graft_recurrent_step *step);
  /// The part of GRU without linear_before_reset before the product with `reset_hidden`.
  void (*gru_reset)(const graft_recurrent_step *step);
  void (*rnn)(const graft_recurrent_step *step);
  void (*lstm_gradient)(const graft_recurrent_step *step);
  void (*gru_gradient)(const graft_recurrent_step *step);
  /// The part of GRU's gradient without linear_before_reset after the product that gives
  /// `reset_gradient`.
  void (*gru_reset_gradient)(const graft_recurrent_step *step);
  void (*rnn_gradient)(const graft_recurrent_step *step);
  /// sums = a + b; these need no alignment.
  void (*add)(const void *a, const void *b, ptrdiff_t count, void *sums);
  /// Sums of each column over rows.
  void (*sum_rows)(
      const void *x, ptrdiff_t stride, ptrdiff_t row_count, ptrdiff_t column_count, void *sums);
} graft_recurrent_table;

#endif
