// Fourier transforms for one element type. The file that includes this defines
//   ELEMENT, LANES, NAME(base)           as gemm_tile_template.h has them
//   INTERLEAVE_LOW, INTERLEAVE_HIGH      for vectors of LANES elements

typedef ELEMENT NAME(points) __attribute__((ext_vector_type(LANES)));
typedef NAME(points) NAME(unaligned_points) __attribute__((aligned(sizeof(ELEMENT))));

GRAFT_INLINE NAME(points) NAME(read_points)(const ELEMENT *p) {
  return *(const NAME(unaligned_points) *)p;
}

GRAFT_INLINE void NAME(write_points)(ELEMENT *p, NAME(points) x) {
  *(NAME(unaligned_points) *)p = x;
}

// MARK: DFTs of few points, in place

GRAFT_INLINE void NAME(dft_2)(NAME(points) * re, NAME(points) * im) {
  const NAME(points) re_0 = re[0], im_0 = im[0];
  re[0] = re_0 + re[1];
  im[0] = im_0 + im[1];
  re[1] = re_0 - re[1];
  im[1] = im_0 - im[1];
}

/// Points are `step` apart, so that this also serves the halves of eight points.
GRAFT_INLINE void NAME(dft_4)(NAME(points) * re, NAME(points) * im, const int step) {
  const NAME(points) even_re = re[0] + re[2 * step], even_im = im[0] + im[2 * step];
  const NAME(points) odd_re = re[step] + re[3 * step], odd_im = im[step] + im[3 * step];
  const NAME(points) even_difference_re = re[0] - re[2 * step];
  const NAME(points) even_difference_im = im[0] - im[2 * step];
  const NAME(points) odd_difference_re = re[step] - re[3 * step];
  const NAME(points) odd_difference_im = im[step] - im[3 * step];
  re[0] = even_re + odd_re;
  im[0] = even_im + odd_im;
  re[step] = even_difference_re + odd_difference_im;
  im[step] = even_difference_im - odd_difference_re;
  re[2 * step] = even_re - odd_re;
  im[2 * step] = even_im - odd_im;
  re[3 * step] = even_difference_re - odd_difference_im;
  im[3 * step] = even_difference_im + odd_difference_re;
}

GRAFT_INLINE void NAME(dft_8)(NAME(points) * re, NAME(points) * im) {
  NAME(dft_4)(re, im, 2);
  NAME(dft_4)(re + 1, im + 1, 2);
  // The odd half's points, times exp(-2 pi i k / 8).
  const ELEMENT root = (ELEMENT)0.70710678118654752440;
  const NAME(points) re_1 = (re[3] + im[3]) * root, im_1 = (im[3] - re[3]) * root;
  const NAME(points) re_2 = im[5], im_2 = -re[5];
  const NAME(points) re_3 = (im[7] - re[7]) * root, im_3 = -(re[7] + im[7]) * root;
  const NAME(points) re_0 = re[1], im_0 = im[1];
  const NAME(points) even_re[4] = {re[0], re[2], re[4], re[6]};
  const NAME(points) even_im[4] = {im[0], im[2], im[4], im[6]};
  const NAME(points) odd_re[4] = {re_0, re_1, re_2, re_3};
  const NAME(points) odd_im[4] = {im_0, im_1, im_2, im_3};
  for (int k = 0; k < 4; k++) {
    re[k] = even_re[k] + odd_re[k];
    im[k] = even_im[k] + odd_im[k];
    re[k + 4] = even_re[k] - odd_re[k];
    im[k + 4] = even_im[k] - odd_im[k];
  }
}

/// An odd number of points; cosines and sines of 2 pi k / radix for each k < radix.
GRAFT_INLINE void NAME(dft_odd)(
    const int radix, const ELEMENT *cosines, const ELEMENT *sines, NAME(points) * re,
    NAME(points) * im) {
  enum { HALF = GRAFT_FOURIER_LARGEST_RADIX / 2 + 1 };
  const int half = radix / 2;
  NAME(points) sum_re[HALF], sum_im[HALF], difference_re[HALF], difference_im[HALF];
  NAME(points) total_re = re[0], total_im = im[0];
  for (int j = 1; j <= half; j++) {
    sum_re[j] = re[j] + re[radix - j];
    sum_im[j] = im[j] + im[radix - j];
    difference_re[j] = re[j] - re[radix - j];
    difference_im[j] = im[j] - im[radix - j];
    total_re += sum_re[j];
    total_im += sum_im[j];
  }
  const NAME(points) first_re = re[0], first_im = im[0];
  re[0] = total_re;
  im[0] = total_im;
  for (int k = 1; k <= half; k++) {
    NAME(points) even_re = first_re, even_im = first_im;
    NAME(points) odd_re = (NAME(points))(ELEMENT)0, odd_im = (NAME(points))(ELEMENT)0;
    int angle = 0;
    for (int j = 1; j <= half; j++) {
      angle = angle + k < radix ? angle + k : angle + k - radix;
      even_re += sum_re[j] * cosines[angle];
      even_im += sum_im[j] * cosines[angle];
      odd_re += difference_im[j] * sines[angle];
      odd_im -= difference_re[j] * sines[angle];
    }
    re[k] = even_re + odd_re;
    im[k] = even_im + odd_im;
    re[radix - k] = even_re - odd_re;
    im[radix - k] = even_im - odd_im;
  }
}

static const ELEMENT NAME(cosines_3)[3] = {1, (ELEMENT)-0.5, (ELEMENT)-0.5};
static const ELEMENT NAME(sines_3)[3] = {
    0, (ELEMENT)0.86602540378443864676, (ELEMENT)-0.86602540378443864676};
static const ELEMENT NAME(cosines_5)[5] = {
    1, (ELEMENT)0.30901699437494742410, (ELEMENT)-0.80901699437494742410,
    (ELEMENT)-0.80901699437494742410, (ELEMENT)0.30901699437494742410};
static const ELEMENT NAME(sines_5)[5] = {
    0, (ELEMENT)0.95105651629515357212, (ELEMENT)0.58778525229247312917,
    (ELEMENT)-0.58778525229247312917, (ELEMENT)-0.95105651629515357212};
static const ELEMENT NAME(cosines_7)[7] = {
    1,
    (ELEMENT)0.62348980185873353053,
    (ELEMENT)-0.22252093395631440429,
    (ELEMENT)-0.90096886790241912624,
    (ELEMENT)-0.90096886790241912624,
    (ELEMENT)-0.22252093395631440429,
    (ELEMENT)0.62348980185873353053};
static const ELEMENT NAME(sines_7)[7] = {
    0,
    (ELEMENT)0.78183148246802980871,
    (ELEMENT)0.97492791218182360702,
    (ELEMENT)0.43388373911755812048,
    (ELEMENT)-0.43388373911755812048,
    (ELEMENT)-0.97492791218182360702,
    (ELEMENT)-0.78183148246802980871};

/// `radix` is a constant after inlining, but for large ones: their cosines and sines are at
/// `angles`.
GRAFT_INLINE void NAME(dft_points)(
    const int radix, const ELEMENT *angles, NAME(points) * re, NAME(points) * im) {
  switch (radix) {
    case 2: NAME(dft_2)(re, im); break;
    case 3: NAME(dft_odd)(3, NAME(cosines_3), NAME(sines_3), re, im); break;
    case 4: NAME(dft_4)(re, im, 1); break;
    case 5: NAME(dft_odd)(5, NAME(cosines_5), NAME(sines_5), re, im); break;
    case 7: NAME(dft_odd)(7, NAME(cosines_7), NAME(sines_7), re, im); break;
    case 8: NAME(dft_8)(re, im); break;
    default: NAME(dft_odd)(radix, angles, angles + radix, re, im);
  }
}

// MARK: Steps

/// A step whose stride is at least a vector.
GRAFT_INLINE void NAME(wide_step)(
    const int radix, const int turns, const graft_fourier_step *step, const ELEMENT *angles,
    const ELEMENT *factors, const ELEMENT *restrict re, const ELEMENT *restrict im,
    ELEMENT *restrict to_re, ELEMENT *restrict to_im) {
  const int64_t stride = step->stride, groups = step->groups, distance = groups * stride;
  for (int64_t group = 0; group < groups; group++, factors += 2 * (radix - 1)) {
    for (int64_t start = 0; start < stride; start += LANES) {
      // The last vector overlaps the one before it, which gives the same again.
      const int64_t place = start + LANES <= stride ? start : stride - LANES;
      const int64_t from = group * stride + place, to = group * radix * stride + place;
      NAME(points) x_re[GRAFT_FOURIER_LARGEST_RADIX], x_im[GRAFT_FOURIER_LARGEST_RADIX];
      for (int k = 0; k < radix; k++) {
        x_re[k] = NAME(read_points)(re + from + k * distance);
        x_im[k] = NAME(read_points)(im + from + k * distance);
      }
      NAME(dft_points)(radix, angles, x_re, x_im);
      NAME(write_points)(to_re + to, x_re[0]);
      NAME(write_points)(to_im + to, x_im[0]);
      for (int k = 1; k < radix; k++) {
        NAME(points) y_re = x_re[k], y_im = x_im[k];
        if (turns) {
          const ELEMENT c = factors[2 * (k - 1)], s = factors[2 * (k - 1) + 1];
          y_re = x_re[k] * c - x_im[k] * s;
          y_im = x_re[k] * s + x_im[k] * c;
        }
        NAME(write_points)(to_re + to + k * stride, y_re);
        NAME(write_points)(to_im + to + k * stride, y_im);
      }
    }
  }
}

/// Stores the elements of `radix` vectors by lane, then by vector.
GRAFT_INLINE void NAME(write_transposed)(const int radix, const NAME(points) * x, ELEMENT *to) {
  NAME(points) a[8], b[8];
  if (radix == 2) {
    NAME(write_points)(to, INTERLEAVE_LOW(x[0], x[1]));
    NAME(write_points)(to + LANES, INTERLEAVE_HIGH(x[0], x[1]));
    return;
  }
  // Alternating sequences that are half of the radix apart doubles the length of runs.
  const int half = radix / 2;
  for (int k = 0; k < half; k++) {
    a[2 * k] = INTERLEAVE_LOW(x[k], x[k + half]);
    a[2 * k + 1] = INTERLEAVE_HIGH(x[k], x[k + half]);
  }
  // a[2 k] and a[2 k + 1] are now sequence k of `half` ones.
  const int quarter = half / 2;
  for (int k = 0; k < quarter; k++) {
    for (int i = 0; i < 2; i++) {
      const NAME(points) first = a[2 * k + i], second = a[2 * (k + quarter) + i];
      b[4 * k + 2 * i] = INTERLEAVE_LOW(first, second);
      b[4 * k + 2 * i + 1] = INTERLEAVE_HIGH(first, second);
    }
  }
  if (radix == 4) {
    for (int i = 0; i < 4; i++) NAME(write_points)(to + i * LANES, b[i]);
    return;
  }
  for (int i = 0; i < 4; i++) {
    NAME(write_points)(to + 2 * i * LANES, INTERLEAVE_LOW(b[i], b[4 + i]));
    NAME(write_points)(to + (2 * i + 1) * LANES, INTERLEAVE_HIGH(b[i], b[4 + i]));
  }
}

/// Stores `count` lanes of `radix` vectors whose first lane has group and stride index `first`.
GRAFT_INLINE void NAME(write_spread)(
    const int radix, const int64_t stride, const NAME(points) * x, int64_t first, int64_t count,
    ELEMENT *to) {
  if (stride == 1 && count == LANES && (radix == 2 || radix == 4 || radix == 8)) {
    NAME(write_transposed)(radix, x, to + first * radix);
    return;
  }
  int64_t group = first / stride, place = first % stride;
  for (int64_t lane = 0; lane < count;) {
    const int64_t run = stride - place < count - lane ? stride - place : count - lane;
    ELEMENT *target = to + group * radix * stride + place;
    for (int k = 0; k < radix; k++) {
      const ELEMENT *source = (const ELEMENT *)(x + k) + lane;
      for (int64_t i = 0; i < run; i++) target[k * stride + i] = source[i];
    }
    lane += run;
    place = 0;
    group++;
  }
}

/// A step whose stride is less than a vector: a vector has elements of several groups.
GRAFT_INLINE void NAME(narrow_step)(
    const int radix, const int turns, const graft_fourier_step *step, const ELEMENT *angles,
    const ELEMENT *factors, const ELEMENT *restrict re, const ELEMENT *restrict im,
    ELEMENT *restrict to_re, ELEMENT *restrict to_im) {
  const int64_t total = step->groups * step->stride;
  const int64_t padded = (total + LANES - 1) / LANES * LANES;
  for (int64_t first = 0; first < total; first += LANES) {
    NAME(points) x_re[GRAFT_FOURIER_LARGEST_RADIX], x_im[GRAFT_FOURIER_LARGEST_RADIX];
    for (int k = 0; k < radix; k++) {
      x_re[k] = NAME(read_points)(re + first + k * total);
      x_im[k] = NAME(read_points)(im + first + k * total);
    }
    NAME(dft_points)(radix, angles, x_re, x_im);
    if (turns) {
      for (int k = 1; k < radix; k++) {
        const ELEMENT *place = factors + 2 * (k - 1) * padded + first;
        const NAME(points) c = NAME(read_points)(place), s = NAME(read_points)(place + padded);
        const NAME(points) y_re = x_re[k] * c - x_im[k] * s;
        x_im[k] = x_re[k] * s + x_im[k] * c;
        x_re[k] = y_re;
      }
    }
    const int64_t count = total - first < LANES ? total - first : LANES;
    NAME(write_spread)(radix, step->stride, x_re, first, count, to_re);
    NAME(write_spread)(radix, step->stride, x_im, first, count, to_im);
  }
}

GRAFT_INLINE void NAME(any_step)(
    const int radix, const graft_fourier_step *step, const ELEMENT *angles, const ELEMENT *factors,
    const ELEMENT *re, const ELEMENT *im, ELEMENT *to_re, ELEMENT *to_im) {
  if (step->stride < LANES)
    NAME(narrow_step)(radix, step->groups > 1, step, angles, factors, re, im, to_re, to_im);
  else if (step->groups > 1)
    NAME(wide_step)(radix, 1, step, angles, factors, re, im, to_re, to_im);
  else
    NAME(wide_step)(radix, 0, step, angles, factors, re, im, to_re, to_im);
}

// A function for each radix, so that no stack frame is larger than needed.
#define STEP_OF(radix)                                                           \
  static void NAME(step_of_##radix)(                                             \
      const graft_fourier_step *step, const ELEMENT *factors, const ELEMENT *re, \
      const ELEMENT *im, ELEMENT *to_re, ELEMENT *to_im) {                       \
    NAME(any_step)(radix, step, NULL, factors, re, im, to_re, to_im);            \
  }
STEP_OF(2)
STEP_OF(3)
STEP_OF(4)
STEP_OF(5)
STEP_OF(7)
STEP_OF(8)
#undef STEP_OF

static void NAME(step_of_any)(
    const graft_fourier_step *step, const ELEMENT *factors, const ELEMENT *re, const ELEMENT *im,
    ELEMENT *to_re, ELEMENT *to_im) {
  const int radix = (int)step->radix;
  NAME(any_step)(radix, step, factors, factors + 2 * radix, re, im, to_re, to_im);
}

static int32_t NAME(fourier_transform)(
    const graft_fourier_step *steps, int64_t step_count, const void *factors, void *re, void *im,
    void *spare_re, void *spare_im) {
  ELEMENT *from_re = re, *from_im = im, *to_re = spare_re, *to_im = spare_im;
  for (int64_t i = 0; i < step_count; i++) {
    const graft_fourier_step *step = steps + i;
    const ELEMENT *first = (const ELEMENT *)factors + step->first_factor;
    switch (step->radix) {
      case 2: NAME(step_of_2)(step, first, from_re, from_im, to_re, to_im); break;
      case 3: NAME(step_of_3)(step, first, from_re, from_im, to_re, to_im); break;
      case 4: NAME(step_of_4)(step, first, from_re, from_im, to_re, to_im); break;
      case 5: NAME(step_of_5)(step, first, from_re, from_im, to_re, to_im); break;
      case 7: NAME(step_of_7)(step, first, from_re, from_im, to_re, to_im); break;
      case 8: NAME(step_of_8)(step, first, from_re, from_im, to_re, to_im); break;
      default: NAME(step_of_any)(step, first, from_re, from_im, to_re, to_im);
    }
    ELEMENT *swap = from_re;
    from_re = to_re;
    to_re = swap;
    swap = from_im;
    from_im = to_im;
    to_im = swap;
  }
  return step_count % 2;
}

// MARK: Loading and storing

/// Copies `count` elements that are `step` apart (1 and 2 are constants after inlining), times a
/// window.
GRAFT_INLINE void NAME(copy_part)(
    const ELEMENT *from, int64_t step, int64_t count, const ELEMENT *window, int64_t window_step,
    ELEMENT *restrict to, int64_t to_step) {
  if (window)
    for (int64_t i = 0; i < count; i++) to[i * to_step] = from[i * step] * window[i * window_step];
  else
    for (int64_t i = 0; i < count; i++) to[i * to_step] = from[i * step];
}

static void NAME(load_part)(
    const graft_fourier_source *s, const ELEMENT *from, int64_t count, const ELEMENT *window,
    ELEMENT *to) {
  const int64_t lanes = s->lanes, present = s->present_lanes;
  if (!from) count = 0;
  if (count > s->length) count = s->length;
  if (lanes == 1) {
    if (s->step == 2 && s->window_step == 2)
      NAME(copy_part)(from, 2, count, window, 2, to, 1);
    else if (s->step == 2)
      NAME(copy_part)(from, 2, count, window, s->window_step, to, 1);
    else if (s->step == 1)
      NAME(copy_part)(from, 1, count, window, s->window_step, to, 1);
    else
      NAME(copy_part)(from, s->step, count, window, s->window_step, to, 1);
  } else if (s->lane_step <= 2) {
    // Lines lie side by side.
    for (int64_t i = 0; i < count; i++) {
      const ELEMENT *row = from + i * s->step;
      ELEMENT *place = to + i * lanes;
      if (s->lane_step == 2)
        NAME(copy_part)(row, 2, present, NULL, 0, place, 1);
      else
        NAME(copy_part)(row, 1, present, NULL, 0, place, 1);
      if (window)
        for (int64_t lane = 0; lane < present; lane++) place[lane] *= window[i * s->window_step];
      for (int64_t lane = present; lane < lanes; lane++) place[lane] = 0;
    }
  } else {
    for (int64_t lane = 0; lane < lanes; lane++) {
      if (lane < present)
        NAME(copy_part)(
            from + lane * s->lane_step, s->step, count, window, s->window_step, to + lane, lanes);
      else
        for (int64_t i = 0; i < count; i++) to[i * lanes + lane] = 0;
    }
  }
  memset(to + count * lanes, 0, (size_t)((s->length - count) * lanes) * sizeof(ELEMENT));
}

static void NAME(fourier_load)(const graft_fourier_source *s, void *re, void *im) {
  NAME(load_part)(s, s->re, s->re_count, s->re_window, re);
  NAME(load_part)(s, s->im, s->im_count, s->im_window, im);
}

GRAFT_INLINE void NAME(store_each)(
    const ELEMENT *from, int64_t from_step, int64_t count, ELEMENT scale, ELEMENT *restrict to,
    int64_t step) {
  for (int64_t i = 0; i < count; i++) to[i * step] = from[i * from_step] * scale;
}

static void NAME(fourier_store)(const graft_fourier_target *t, const void *re, const void *im) {
  const ELEMENT *from_re = re, *from_im = im;
  const ELEMENT re_scale = (ELEMENT)t->re_scale, im_scale = (ELEMENT)t->im_scale;
  ELEMENT *to = t->re;
  const int64_t lanes = t->lanes, present = t->present_lanes, step = t->step;
  const int is_pair = t->im == to + 1;
  if (lanes == 1 && is_pair && step == 2) {
    int64_t i = 0;
    for (; i + LANES <= t->count; i += LANES) {
      const NAME(points) x_re = NAME(read_points)(from_re + i) * re_scale;
      const NAME(points) x_im = NAME(read_points)(from_im + i) * im_scale;
      NAME(write_points)(to + 2 * i, INTERLEAVE_LOW(x_re, x_im));
      NAME(write_points)(to + 2 * i + LANES, INTERLEAVE_HIGH(x_re, x_im));
    }
    for (; i < t->count; i++) {
      to[2 * i] = from_re[i] * re_scale;
      to[2 * i + 1] = from_im[i] * im_scale;
    }
  } else if (lanes == 1 || t->lane_step > 2) {
    for (int64_t lane = 0; lane < present; lane++) {
      const int64_t shift = lane * t->lane_step;
      NAME(store_each)(from_re + lane, lanes, t->count, re_scale, to + shift, step);
      if (t->im)
        NAME(store_each)(from_im + lane, lanes, t->count, im_scale, (ELEMENT *)t->im + shift, step);
    }
  } else {
    for (int64_t i = 0; i < t->count; i++) {
      NAME(store_each)(from_re + i * lanes, 1, present, re_scale, to + i * step, t->lane_step);
      if (t->im)
        NAME(store_each)(
            from_im + i * lanes, 1, present, im_scale, (ELEMENT *)t->im + i * step, t->lane_step);
    }
  }
}

// MARK: Products

static void NAME(fourier_multiply)(
    void *re, void *im, int64_t count, int64_t lanes, const void *factors_re,
    const void *factors_im) {
  ELEMENT *restrict x_re = re, *restrict x_im = im;
  const ELEMENT *restrict c = factors_re, *restrict s = factors_im;
  if (lanes == 1) {
    for (int64_t i = 0; i < count; i++) {
      const ELEMENT y_re = x_re[i] * c[i] - x_im[i] * s[i];
      x_im[i] = x_re[i] * s[i] + x_im[i] * c[i];
      x_re[i] = y_re;
    }
    return;
  }
  for (int64_t i = 0; i < count; i++, x_re += lanes, x_im += lanes) {
    const ELEMENT cosine = c[i], sine = s[i];
    for (int64_t lane = 0; lane < lanes; lane++) {
      const ELEMENT y_re = x_re[lane] * cosine - x_im[lane] * sine;
      x_im[lane] = x_re[lane] * sine + x_im[lane] * cosine;
      x_re[lane] = y_re;
    }
  }
}

// MARK: Real points

/// Point k of an even number of real points from points k and half - k of the transform of pairs.
GRAFT_INLINE void NAME(split_point)(
    ELEMENT a, ELEMENT b, ELEMENT c, ELEMENT d, ELEMENT cosine, ELEMENT sine, ELEMENT *to_re,
    ELEMENT *to_im) {
  const ELEMENT half = (ELEMENT)0.5;
  const ELEMENT odd_re = (b + d) * half, odd_im = (c - a) * half;
  *to_re = (a + c) * half + (cosine * odd_re + sine * odd_im);
  *to_im = (b - d) * half + (cosine * odd_im - sine * odd_re);
}

static void NAME(fourier_split_real)(
    const void *re, const void *im, int64_t half, int64_t lanes, const void *cosines,
    const void *sines, void *to_re, void *to_im) {
  const ELEMENT *restrict x_re = re, *restrict x_im = im;
  const ELEMENT *restrict c = cosines, *restrict s = sines;
  ELEMENT *restrict y_re = to_re, *restrict y_im = to_im;
  // Points 0 and half both come from point 0.
  for (int64_t lane = 0; lane < lanes; lane++) {
    y_re[lane] = x_re[lane] + x_im[lane];
    y_im[lane] = 0;
    y_re[half * lanes + lane] = x_re[lane] - x_im[lane];
    y_im[half * lanes + lane] = 0;
  }
  if (lanes == 1) {
    for (int64_t k = 1; k < half; k++)
      NAME(split_point)(
          x_re[k], x_im[k], x_re[half - k], x_im[half - k], c[k], s[k], y_re + k, y_im + k);
    return;
  }
  for (int64_t k = 1; k < half; k++) {
    const int64_t low = k * lanes, high = (half - k) * lanes;
    for (int64_t lane = 0; lane < lanes; lane++)
      NAME(split_point)(
          x_re[low + lane], x_im[low + lane], x_re[high + lane], x_im[high + lane], c[k], s[k],
          y_re + low + lane, y_im + low + lane);
  }
}

/// Twice point k of the transform of pairs, from points k and half - k of real points.
GRAFT_INLINE void NAME(join_point)(
    ELEMENT a, ELEMENT b, ELEMENT c, ELEMENT d, ELEMENT cosine, ELEMENT sine, ELEMENT *to_re,
    ELEMENT *to_im) {
  const ELEMENT difference_re = a - c, difference_im = b + d;
  *to_re = (a + c) - (cosine * difference_im + sine * difference_re);
  *to_im = (b - d) + (cosine * difference_re - sine * difference_im);
}

static void NAME(fourier_join_real)(
    const void *re, const void *im, int64_t half, int64_t lanes, const void *cosines,
    const void *sines, void *to_re, void *to_im) {
  const ELEMENT *restrict x_re = re, *restrict x_im = im;
  const ELEMENT *restrict c = cosines, *restrict s = sines;
  ELEMENT *restrict y_re = to_re, *restrict y_im = to_im;
  if (lanes == 1) {
    for (int64_t k = 0; k < half; k++)
      NAME(join_point)(
          x_re[k], x_im[k], x_re[half - k], x_im[half - k], c[k], s[k], y_re + k, y_im + k);
    return;
  }
  for (int64_t k = 0; k < half; k++) {
    const int64_t low = k * lanes, high = (half - k) * lanes;
    for (int64_t lane = 0; lane < lanes; lane++)
      NAME(join_point)(
          x_re[low + lane], x_im[low + lane], x_re[high + lane], x_im[high + lane], c[k], s[k],
          y_re + low + lane, y_im + low + lane);
  }
}

static const graft_fourier_table NAME(fourier_table) = {
    .lane_count = LANES,
    .load = NAME(fourier_load),
    .store = NAME(fourier_store),
    .transform = NAME(fourier_transform),
    .multiply = NAME(fourier_multiply),
    .split_real = NAME(fourier_split_real),
    .join_real = NAME(fourier_join_real),
};
