// Gradients of the steps of LSTM, GRU and RNN for one element type, from sums of gates and states
// that were kept; for the required definitions see functions_template.h.

/// The gradient of the hidden state after the step, with that of the output.
GRAFT_INLINE NAME(vector) NAME(arriving)(
    const graft_recurrent_step *step, ptrdiff_t row, ptrdiff_t place, ptrdiff_t count) {
  NAME(vector)
  gradient =
      NAME(first_lanes_at)(step->hidden_gradient, row * step->gradient_stride + place, count);
  if (step->y_gradient)
    gradient += NAME(first_lanes_at)(step->y_gradient, row * step->y_stride + place, count);
  return gradient;
}

/// Clears `count` gates of a vector; padding lanes always are 0.
GRAFT_INLINE void NAME(clear_gates)(
    void *gates, ptrdiff_t offset, ptrdiff_t stride, ptrdiff_t count) {
  for (ptrdiff_t gate = 0; gate < count; gate++)
    NAME(put_lanes)(gates, offset + gate * stride, (NAME(vector))(ELEMENT)0);
}

/// Goes through all vectors like EACH_VECTOR, and through those that are padding.
#define EACH_PADDED_VECTOR(step)                                                             \
  for (ptrdiff_t row = 0; row < step->row_count; row++)                                      \
    for (ptrdiff_t block = step->first_block; block < step->first_block + step->block_count; \
         block++)                                                                            \
      for (ptrdiff_t lane = 0, place = block * step->block_units; lane < step->block_units;  \
           lane += LANES, place += LANES)

GRAFT_INLINE void NAME(add_peephole_gradient)(
    const graft_recurrent_step *step, ptrdiff_t row, ptrdiff_t place, int gate,
    NAME(vector) gradient) {
  const ptrdiff_t offset =
      row * step->peephole_gradient_stride + gate * step->peephole_stride + place;
  NAME(put_lanes)(
      step->peephole_gradient, offset, NAME(lanes_at)(step->peephole_gradient, offset) + gradient);
}

GRAFT_INLINE void NAME(lstm_step_gradient)(const graft_recurrent_step *step, const int is_plain) {
  const NAME(functions) functions = NAME(functions_of)(step, is_plain);
  const ptrdiff_t units = step->block_units;
  const int peeps = !is_plain && step->peepholes;
  EACH_PADDED_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    const ptrdiff_t gate = row * step->gates_stride + block * 4 * units + lane;
    const ptrdiff_t offset = row * step->gradient_stride + place;
    const ptrdiff_t state = row * step->before_stride + place;
    if (count <= 0 || !NAME(is_active)(step, row)) {
      NAME(clear_gates)(step->gates, gate, units, 4);
      continue;
    }
    const NAME(vector) before = NAME(lanes_at)(step->cell_before, state);
    const NAME(vector) cell = NAME(lanes_at)(step->cell_after, row * step->after_stride + place);
    NAME(vector) input_peephole, output_peephole, forget_peephole;
    NAME(vector) input_sum = NAME(lanes_at)(step->gates, gate);
    NAME(vector) output_sum = NAME(lanes_at)(step->gates, gate + units);
    NAME(vector) forget_sum = NAME(lanes_at)(step->gates, gate + 2 * units);
    const NAME(vector) cell_sum = NAME(lanes_at)(step->gates, gate + 3 * units);
    if (peeps) {
      input_peephole = NAME(lanes_at)(step->peepholes, place);
      output_peephole = NAME(lanes_at)(step->peepholes, place + step->peephole_stride);
      forget_peephole = NAME(lanes_at)(step->peepholes, place + 2 * step->peephole_stride);
      input_sum += input_peephole * before;
      output_sum += output_peephole * cell;
      forget_sum += forget_peephole * before;
    }
    const NAME(vector) input_x = NAME(clipped)(&functions, input_sum);
    const NAME(vector) output_x = NAME(clipped)(&functions, output_sum);
    const NAME(vector) forget_x = NAME(clipped)(&functions, forget_sum);
    const NAME(vector) cell_x = NAME(clipped)(&functions, cell_sum);
    const int couples = !is_plain && step->couples_gates;
    const NAME(vector) i = NAME(activated)(functions.f, &step->f, input_x);
    const NAME(vector) o = NAME(activated)(functions.f, &step->f, output_x);
    const NAME(vector) f = couples ? 1 - i : NAME(activated)(functions.f, &step->f, forget_x);
    const NAME(vector) c = NAME(activated)(functions.g, &step->g, cell_x);
    const NAME(vector) shown = NAME(activated)(functions.h, &step->h, cell);

    const NAME(vector) hidden_gradient = NAME(arriving)(step, row, place, count);
    const NAME(vector) output_gradient = NAME(through_clip)(
        &functions, output_sum,
        hidden_gradient * shown * NAME(slope)(functions.f, &step->f, output_x, o));
    NAME(vector)
    cell_gradient = NAME(first_lanes_at)(step->cell_gradient, offset, count) +
                    hidden_gradient * o * NAME(slope)(functions.h, &step->h, cell, shown);
    if (peeps) cell_gradient += output_gradient * output_peephole;
    const NAME(vector) forget = cell_gradient * before;
    NAME(vector) input = cell_gradient * c;
    if (couples) input -= forget;
    const NAME(vector) input_gradient = NAME(through_clip)(
        &functions, input_sum, input * NAME(slope)(functions.f, &step->f, input_x, i));
    NAME(vector) forget_gradient = (NAME(vector))(ELEMENT)0;
    if (!couples)
      forget_gradient = NAME(through_clip)(
          &functions, forget_sum, forget * NAME(slope)(functions.f, &step->f, forget_x, f));
    const NAME(vector) candidate_gradient = NAME(through_clip)(
        &functions, cell_sum, cell_gradient * i * NAME(slope)(functions.g, &step->g, cell_x, c));
    NAME(vector) earlier = cell_gradient * f;
    if (peeps) {
      earlier += input_gradient * input_peephole;
      if (!couples) earlier += forget_gradient * forget_peephole;
      if (step->peephole_gradient) {
        NAME(add_peephole_gradient)(
            step, row, place, 0, NAME(without_padding)(input_gradient * before, count));
        NAME(add_peephole_gradient)(
            step, row, place, 1, NAME(without_padding)(output_gradient * cell, count));
        NAME(add_peephole_gradient)(
            step, row, place, 2, NAME(without_padding)(forget_gradient * before, count));
      }
    }
    NAME(put_lanes)(step->gates, gate, NAME(without_padding)(input_gradient, count));
    NAME(put_lanes)(step->gates, gate + units, NAME(without_padding)(output_gradient, count));
    NAME(put_lanes)(step->gates, gate + 2 * units, NAME(without_padding)(forget_gradient, count));
    NAME(put_lanes)(
        step->gates, gate + 3 * units, NAME(without_padding)(candidate_gradient, count));
    NAME(put_lanes)(step->cell_gradient, offset, NAME(without_padding)(earlier, count));
    // The gradient through the products with R is added.
    NAME(put_lanes)(step->hidden_gradient, offset, (NAME(vector))(ELEMENT)0);
  }
}

static void NAME(lstm_gradient)(const graft_recurrent_step *step) {
  if (NAME(is_plain)(step))
    NAME(lstm_step_gradient)(step, 1);
  else
    NAME(lstm_step_gradient)(step, 0);
}

static void NAME(gru_gradient)(const graft_recurrent_step *step) {
  const NAME(functions) functions = NAME(functions_of)(step, 0);
  const ptrdiff_t units = step->block_units;
  EACH_PADDED_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    const ptrdiff_t gate = row * step->gates_stride + block * 2 * units + lane;
    const ptrdiff_t offset = row * step->gradient_stride + place;
    const ptrdiff_t state = row * step->before_stride + place;
    const ptrdiff_t candidate_offset = row * step->candidates_stride + place;
    const ptrdiff_t recurrent_offset = row * step->recurrent_stride + place;
    if (count <= 0 || !NAME(is_active)(step, row)) {
      NAME(clear_gates)(step->gates, gate, units, 2);
      NAME(clear_gates)(step->candidates, candidate_offset, 0, 1);
      if (step->recurrent) NAME(clear_gates)(step->recurrent, recurrent_offset, 0, 1);
      continue;
    }
    const NAME(vector) update_sum = NAME(lanes_at)(step->gates, gate);
    const NAME(vector) update_x = NAME(clipped)(&functions, update_sum);
    const NAME(vector) z = NAME(activated)(functions.f, &step->f, update_x);
    NAME(vector) candidate_sum = NAME(lanes_at)(step->candidates, candidate_offset);
    NAME(vector) reset_sum, reset_x, r, recurrent;
    if (step->recurrent) {
      reset_sum = NAME(lanes_at)(step->gates, gate + units);
      reset_x = NAME(clipped)(&functions, reset_sum);
      r = NAME(activated)(functions.f, &step->f, reset_x);
      recurrent = NAME(lanes_at)(step->recurrent, recurrent_offset);
      candidate_sum += r * recurrent;
    }
    const NAME(vector) candidate_x = NAME(clipped)(&functions, candidate_sum);
    const NAME(vector) candidate = NAME(activated)(functions.g, &step->g, candidate_x);
    const NAME(vector) before = NAME(lanes_at)(step->hidden_before, state);

    const NAME(vector) hidden_gradient = NAME(arriving)(step, row, place, count);
    const NAME(vector) update_gradient = NAME(through_clip)(
        &functions, update_sum,
        hidden_gradient * (before - candidate) * NAME(slope)(functions.f, &step->f, update_x, z));
    const NAME(vector) candidate_gradient = NAME(without_padding)(
        NAME(through_clip)(
            &functions, candidate_sum,
            hidden_gradient * (1 - z) * NAME(slope)(functions.g, &step->g, candidate_x, candidate)),
        count);
    NAME(put_lanes)(step->gates, gate, NAME(without_padding)(update_gradient, count));
    NAME(put_lanes)(step->candidates, candidate_offset, candidate_gradient);
    if (step->recurrent) {
      const NAME(vector) reset_gradient = NAME(through_clip)(
          &functions, reset_sum,
          candidate_gradient * recurrent * NAME(slope)(functions.f, &step->f, reset_x, r));
      NAME(put_lanes)(step->gates, gate + units, NAME(without_padding)(reset_gradient, count));
      NAME(put_lanes)(
          step->recurrent, recurrent_offset, NAME(without_padding)(candidate_gradient * r, count));
    }
    NAME(put_lanes)(
        step->hidden_gradient, offset, NAME(without_padding)(hidden_gradient * z, count));
  }
}

static void NAME(gru_reset_gradient)(const graft_recurrent_step *step) {
  const NAME(functions) functions = NAME(functions_of)(step, 0);
  const ptrdiff_t units = step->block_units;
  EACH_PADDED_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    const ptrdiff_t gate = row * step->gates_stride + (block * 2 + 1) * units + lane;
    const ptrdiff_t offset = row * step->gradient_stride + place;
    const ptrdiff_t state = row * step->before_stride + place;
    if (count <= 0 || !NAME(is_active)(step, row)) {
      NAME(clear_gates)(step->gates, gate, 0, 1);
      continue;
    }
    const NAME(vector) reset_sum = NAME(lanes_at)(step->gates, gate);
    const NAME(vector) reset_x = NAME(clipped)(&functions, reset_sum);
    const NAME(vector) r = NAME(activated)(functions.f, &step->f, reset_x);
    const NAME(vector) arriving = NAME(first_lanes_at)(step->reset_gradient, offset, count);
    const NAME(vector) reset_gradient = NAME(through_clip)(
        &functions, reset_sum,
        arriving * NAME(lanes_at)(step->hidden_before, state) *
            NAME(slope)(functions.f, &step->f, reset_x, r));
    NAME(put_lanes)(step->gates, gate, NAME(without_padding)(reset_gradient, count));
    const NAME(vector) earlier =
        NAME(lanes_at)(step->hidden_gradient, offset) + NAME(without_padding)(arriving * r, count);
    NAME(put_lanes)(step->hidden_gradient, offset, earlier);
  }
}

static void NAME(rnn_gradient)(const graft_recurrent_step *step) {
  const NAME(functions) functions = NAME(functions_of)(step, 0);
  EACH_PADDED_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    const ptrdiff_t gate = row * step->gates_stride + place;
    if (count <= 0 || !NAME(is_active)(step, row)) {
      NAME(clear_gates)(step->gates, gate, 0, 1);
      continue;
    }
    const NAME(vector) sum = NAME(lanes_at)(step->gates, gate);
    const NAME(vector) x = NAME(clipped)(&functions, sum);
    const NAME(vector) y = NAME(activated)(functions.f, &step->f, x);
    const NAME(vector) gradient = NAME(through_clip)(
        &functions, sum,
        NAME(arriving)(step, row, place, count) * NAME(slope)(functions.f, &step->f, x, y));
    NAME(put_lanes)(step->gates, gate, NAME(without_padding)(gradient, count));
    NAME(put_lanes)(
        step->hidden_gradient, row * step->gradient_stride + place, (NAME(vector))(ELEMENT)0);
  }
}

#undef EACH_VECTOR
#undef EACH_PADDED_VECTOR

static const graft_recurrent_table NAME(recurrent_table) = {
    .lstm = NAME(lstm),
    .gru = NAME(gru),
    .gru_reset = NAME(gru_reset),
    .rnn = NAME(rnn),
    .lstm_gradient = NAME(lstm_gradient),
    .gru_gradient = NAME(gru_gradient),
    .gru_reset_gradient = NAME(gru_reset_gradient),
    .rnn_gradient = NAME(rnn_gradient),
    .add = NAME(add),
    .sum_rows = NAME(sum_rows),
};
