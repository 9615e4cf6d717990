// Steps of LSTM, GRU and RNN for one element type; for the required definitions see
// functions_template.h.

/// Goes through the vectors of units of all rows: `body` sees `row`, `block`, `lane`, the first
/// unit of the vector in `place`, and how many units are left in `count`.
#define EACH_VECTOR(step)                                                                    \
  for (ptrdiff_t row = 0; row < step->row_count; row++)                                      \
    for (ptrdiff_t block = step->first_block; block < step->first_block + step->block_count; \
         block++)                                                                            \
      for (ptrdiff_t lane = 0, place = block * step->block_units;                            \
           lane < step->block_units && place < step->unit_count; lane += LANES, place += LANES)

/// A row whose sequence has ended keeps its state, and its output is 0.
GRAFT_INLINE void NAME(keep)(
    const graft_recurrent_step *step, ptrdiff_t row, ptrdiff_t place, ptrdiff_t count) {
  const ptrdiff_t before = row * step->before_stride + place;
  const ptrdiff_t after = row * step->after_stride + place;
  NAME(put_lanes)(step->hidden_after, after, NAME(lanes_at)(step->hidden_before, before));
  if (step->cell_after)
    NAME(put_lanes)(step->cell_after, after, NAME(lanes_at)(step->cell_before, before));
  if (step->y)
    NAME(put_first_lanes)(step->y, row * step->y_stride + place, count, (NAME(vector))(ELEMENT)0);
}

GRAFT_INLINE void NAME(put_hidden)(
    const graft_recurrent_step *step, ptrdiff_t row, ptrdiff_t place, ptrdiff_t count,
    NAME(vector) hidden) {
  hidden = NAME(without_padding)(hidden, count);
  NAME(put_lanes)(step->hidden_after, row * step->after_stride + place, hidden);
  if (step->y) NAME(put_first_lanes)(step->y, row * step->y_stride + place, count, hidden);
}

GRAFT_INLINE void NAME(lstm_step)(const graft_recurrent_step *step, const int is_plain) {
  const NAME(functions) functions = NAME(functions_of)(step, is_plain);
  const ptrdiff_t units = step->block_units;
  EACH_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    if (!NAME(is_active)(step, row)) {
      NAME(keep)(step, row, place, count);
      continue;
    }
    const ptrdiff_t gate = row * step->gates_stride + block * 4 * units + lane;
    NAME(vector) i = NAME(lanes_at)(step->gates, gate);
    NAME(vector) o = NAME(lanes_at)(step->gates, gate + units);
    NAME(vector) f = NAME(lanes_at)(step->gates, gate + 2 * units);
    NAME(vector) c = NAME(lanes_at)(step->gates, gate + 3 * units);
    NAME(vector) cell = NAME(lanes_at)(step->cell_before, row * step->before_stride + place);
    const int peeps = !is_plain && step->peepholes;
    if (peeps) i += NAME(lanes_at)(step->peepholes, place) * cell;
    i = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, i));
    if (!is_plain && step->couples_gates) {
      f = 1 - i;
    } else {
      if (peeps) f += NAME(lanes_at)(step->peepholes, place + 2 * step->peephole_stride) * cell;
      f = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, f));
    }
    c = NAME(activated)(functions.g, &step->g, NAME(clipped)(&functions, c));
    cell = NAME(without_padding)(f * cell + i * c, count);
    NAME(put_lanes)(step->cell_after, row * step->after_stride + place, cell);
    if (peeps) o += NAME(lanes_at)(step->peepholes, place + step->peephole_stride) * cell;
    o = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, o));
    NAME(put_hidden)(step, row, place, count, o * NAME(activated)(functions.h, &step->h, cell));
  }
}

GRAFT_INLINE void NAME(gru_step)(const graft_recurrent_step *step, const int is_plain) {
  const NAME(functions) functions = NAME(functions_of)(step, is_plain);
  const ptrdiff_t units = step->block_units;
  EACH_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    if (!NAME(is_active)(step, row)) {
      NAME(keep)(step, row, place, count);
      continue;
    }
    const ptrdiff_t gate = row * step->gates_stride + block * 2 * units + lane;
    NAME(vector) z = NAME(lanes_at)(step->gates, gate);
    NAME(vector)
    candidate = NAME(lanes_at)(step->candidates, row * step->candidates_stride + place);
    if (step->recurrent) {
      NAME(vector) r = NAME(lanes_at)(step->gates, gate + units);
      r = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, r));
      candidate += r * NAME(lanes_at)(step->recurrent, row * step->recurrent_stride + place);
    }
    z = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, z));
    candidate = NAME(activated)(functions.g, &step->g, NAME(clipped)(&functions, candidate));
    const NAME(vector) hidden =
        NAME(lanes_at)(step->hidden_before, row * step->before_stride + place);
    NAME(put_hidden)(step, row, place, count, (1 - z) * candidate + z * hidden);
  }
}

static void NAME(gru_reset)(const graft_recurrent_step *step) {
  const NAME(functions) functions = NAME(functions_of)(step, 0);
  const ptrdiff_t units = step->block_units;
  EACH_VECTOR(step) {
    const ptrdiff_t gate = row * step->gates_stride + (block * 2 + 1) * units + lane;
    NAME(vector) r = NAME(lanes_at)(step->gates, gate);
    r = NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, r));
    r *= NAME(lanes_at)(step->hidden_before, row * step->before_stride + place);
    NAME(put_lanes)(
        step->reset_hidden, row * step->reset_stride + place,
        NAME(without_padding)(r, step->unit_count - place));
  }
}

static void NAME(rnn)(const graft_recurrent_step *step) {
  const NAME(functions) functions = NAME(functions_of)(step, 0);
  EACH_VECTOR(step) {
    const ptrdiff_t count = step->unit_count - place;
    if (!NAME(is_active)(step, row)) {
      NAME(keep)(step, row, place, count);
      continue;
    }
    const NAME(vector) sum = NAME(lanes_at)(step->gates, row * step->gates_stride + place);
    NAME(put_hidden)(
        step, row, place, count,
        NAME(activated)(functions.f, &step->f, NAME(clipped)(&functions, sum)));
  }
}

/// Whether the step has the functions that kernels are compiled for.
static int NAME(is_plain)(const graft_recurrent_step *step) {
  return step->f.kind == GRAFT_RECURRENT_SIGMOID && step->g.kind == GRAFT_RECURRENT_TANH &&
         step->h.kind == GRAFT_RECURRENT_TANH && step->clip == __builtin_inf() &&
         !step->couples_gates && !step->peepholes;
}

static void NAME(lstm)(const graft_recurrent_step *step) {
  if (NAME(is_plain)(step))
    NAME(lstm_step)(step, 1);
  else
    NAME(lstm_step)(step, 0);
}

static void NAME(gru)(const graft_recurrent_step *step) {
  if (NAME(is_plain)(step))
    NAME(gru_step)(step, 1);
  else
    NAME(gru_step)(step, 0);
}

static void NAME(add)(const void *a, const void *b, ptrdiff_t count, void *sums) {
  for (ptrdiff_t i = 0; i < count; i++)
    ((ELEMENT *)sums)[i] = ((const NAME(unaligned) *)a)[i] + ((const NAME(unaligned) *)b)[i];
}

/// Long sums are sums of shorter ones, for small rounding errors.
static void NAME(sum_rows)(
    const void *x, ptrdiff_t stride, ptrdiff_t row_count, ptrdiff_t column_count, void *sums) {
  enum { LENGTH = 128 };
  for (ptrdiff_t column = 0; column < column_count; column += LANES) {
    const ptrdiff_t count = column_count - column;
    NAME(vector) total = (NAME(vector))(ELEMENT)0;
    for (ptrdiff_t start = 0; start < row_count; start += LENGTH) {
      const ptrdiff_t end = row_count - start < LENGTH ? row_count : start + LENGTH;
      NAME(vector) sum = (NAME(vector))(ELEMENT)0;
      for (ptrdiff_t row = start; row < end; row++)
        sum += NAME(first_lanes_at)(x, row * stride + column, count);
      total += sum;
    }
    NAME(put_first_lanes)(sums, column, count, total);
  }
}
