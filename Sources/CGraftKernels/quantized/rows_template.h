// Rows of integers: quantizing, dequantizing, and preparing activations.

#include "../convert/rounding.h"

/// The quotient, rounded to GRAFT_ROUNDING_…, a constant when inlined.
GRAFT_INLINE float quotient(float x, float scale, const int32_t rounding) {
  const float q = x / scale;
  if (rounding == GRAFT_ROUNDING_FLOAT16) return graft_rounded_to_float16(q);
  if (rounding == GRAFT_ROUNDING_BFLOAT16) return graft_rounded_to_bfloat16(q);
  return q;
}

/// round(q) + zero point, between two bounds; ties to even, NaN becomes the lowest.
GRAFT_INLINE int32_t quantized(float q, int32_t zero_point, int32_t lowest, int32_t highest) {
  // The bounds are below 2^17, where adding 1.5 * 2^23 rounds, and leaves the integer in the low
  // bits.
  const float magic = 12582912.0f, low = (float)(lowest - zero_point),
              high = (float)(highest - zero_point);
  q = q > low ? q : low;
  q = q < high ? q : high;
  const float shifted = q + magic;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4b400000 + zero_point;
}

#define QUANTIZE(Integer, rounding)                                                         \
  {                                                                                         \
    Integer *y = untyped;                                                                   \
    if (quantization->step == 0) {                                                          \
      const float scale = *quantization->scales;                                            \
      const int32_t zero_point = *quantization->zero_points;                                \
      EACH_ELEMENT y[i] =                                                                   \
          (Integer)quantized(quotient(x[i], scale, rounding), zero_point, lowest, highest); \
    } else {                                                                                \
      const float *scales = quantization->scales;                                           \
      const int32_t *zero_points = quantization->zero_points;                               \
      EACH_ELEMENT y[i] = (Integer)quantized(                                               \
          quotient(x[i], scales[i], rounding), zero_points[i], lowest, highest);            \
    }                                                                                       \
  }

#define QUANTIZE_ROUNDING(Integer)                \
  {                                               \
    if (rounding == GRAFT_ROUNDING_FLOAT16)       \
      QUANTIZE(Integer, GRAFT_ROUNDING_FLOAT16)   \
    else if (rounding == GRAFT_ROUNDING_BFLOAT16) \
      QUANTIZE(Integer, GRAFT_ROUNDING_BFLOAT16)  \
    else                                          \
      QUANTIZE(Integer, GRAFT_ROUNDING_NONE)      \
  }

static void quantize(
    const float *x, const graft_quantization *quantization, int32_t rounding, int32_t lowest,
    int32_t highest, int32_t integer, void *untyped, ptrdiff_t count) {
  // The low bits of signed and unsigned integers are the same.
  if (integer == GRAFT_INTEGER_U8 || integer == GRAFT_INTEGER_I8)
    QUANTIZE_ROUNDING(int8_t)
  else
    QUANTIZE_ROUNDING(int16_t)
}
#undef QUANTIZE
#undef QUANTIZE_ROUNDING

#define DEQUANTIZE(Integer)                                           \
  {                                                                   \
    const Integer *x = untyped;                                       \
    if (quantization->step == 0) {                                    \
      const float scale = *quantization->scales;                      \
      const int32_t zero_point = *quantization->zero_points;          \
      EACH_ELEMENT y[i] = (float)(x[i] - zero_point) * scale;         \
    } else {                                                          \
      const float *scales = quantization->scales;                     \
      const int32_t *zero_points = quantization->zero_points;         \
      EACH_ELEMENT y[i] = (float)(x[i] - zero_points[i]) * scales[i]; \
    }                                                                 \
    break;                                                            \
  }

static void dequantize(
    int32_t integer, const void *untyped, const graft_quantization *quantization, float *y,
    ptrdiff_t count) {
  switch (integer) {
    case GRAFT_INTEGER_U8: DEQUANTIZE(uint8_t)
    case GRAFT_INTEGER_I8: DEQUANTIZE(int8_t)
    case GRAFT_INTEGER_U16: DEQUANTIZE(uint16_t)
    case GRAFT_INTEGER_I16: DEQUANTIZE(int16_t)
    // Differences may not fit into 32 bits.
    default: {
      const int32_t *x = untyped;
      const ptrdiff_t step = quantization->step;
      const float *scales = quantization->scales;
      const int32_t *zero_points = quantization->zero_points;
      EACH_ELEMENT y[i] = (float)((int64_t)x[i] - zero_points[i * step]) * scales[i * step];
    }
  }
}
#undef DEQUANTIZE

static graft_range range_of_floats(const float *x, ptrdiff_t count) {
  float lowest = INFINITY, highest = -INFINITY;
  int32_t has_nan = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    lowest = x[i] < lowest ? x[i] : lowest;
    highest = x[i] > highest ? x[i] : highest;
    has_nan |= x[i] != x[i];
  }
  if (has_nan) lowest = highest = NAN;
  return (graft_range){lowest, highest};
}

/// Converts elements `stride` apart to adjacent ones.
GRAFT_INLINE void prepare_elements(
    const uint8_t *source, ptrdiff_t stride, ptrdiff_t count, int32_t is_signed, int32_t zero_point,
    int32_t form, char *target) {
  // Signed bytes become unsigned ones, and so does their zero point.
  const uint8_t flip = is_signed ? 0x80 : 0;
  if (form == GRAFT_ACTIVATIONS_BYTES) {
    for (ptrdiff_t i = 0; i < count; i++) target[i] = (char)(source[i * stride] ^ flip);
    return;
  }
  const int16_t zero = (int16_t)(zero_point + (is_signed ? 128 : 0));
  int16_t *y = (int16_t *)(void *)target;
  for (ptrdiff_t i = 0; i < count; i++)
    y[i] = (int16_t)((int16_t)(uint8_t)(source[i * stride] ^ flip) - zero);
}

static void fill_border(char *target, ptrdiff_t count, int32_t border, int32_t form) {
  const size_t width = form == GRAFT_ACTIVATIONS_BYTES ? 1 : 2;
  memset(target, border, (size_t)count * width);
}

static void prepare_line(const graft_activation_line *line, int32_t form) {
  const ptrdiff_t width = form == GRAFT_ACTIVATIONS_BYTES ? 1 : 2, channels = line->channels;
  const int32_t border =
      form == GRAFT_ACTIVATIONS_BYTES ? line->zero_point + (line->is_signed ? 128 : 0) : 0;
  char *target = line->target;
  if (!line->source) {
    fill_border(target, (line->left + line->width + line->right) * channels, border, form);
    return;
  }
  fill_border(target, line->left * channels, border, form);
  target += line->left * channels * width;
  const uint8_t *source = line->source;
  if (line->channel_stride == 1 && line->pixel_stride == channels) {
    prepare_elements(
        source, 1, line->width * channels, line->is_signed, line->zero_point, form, target);
  } else if (channels == 1) {
    prepare_elements(
        source, line->pixel_stride, line->width, line->is_signed, line->zero_point, form, target);
  } else {
    for (ptrdiff_t pixel = 0; pixel < line->width; pixel++)
      prepare_elements(
          source + pixel * line->pixel_stride, line->channel_stride, channels, line->is_signed,
          line->zero_point, form, target + pixel * channels * width);
  }
  target += line->width * channels * width;
  fill_border(target, line->right * channels, border, form);
}

static void look_up_bytes(const uint8_t *x, const uint8_t *table, uint8_t *y, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] = table[x[i]];
}

static void maximum_of_window(const graft_byte_window *window) {
  const uint8_t flip = window->is_signed ? 0x80 : 0;
  const ptrdiff_t channels = window->channels;
  uint8_t *target = window->target;
  const uint8_t *first = window->source + window->pixels[0];
  for (ptrdiff_t c = 0; c < channels; c++) target[c] = first[c] ^ flip;
  for (ptrdiff_t i = 1; i < window->pixel_count; i++) {
    const uint8_t *x = window->source + window->pixels[i];
    for (ptrdiff_t c = 0; c < channels; c++) {
      const uint8_t y = x[c] ^ flip;
      target[c] = y > target[c] ? y : target[c];
    }
  }
  if (flip)
    for (ptrdiff_t c = 0; c < channels; c++) target[c] ^= flip;
}

/// Some channels of a pixel as numbers. Each is rounded to a float, also where it is then added.
GRAFT_INLINE panel_floats numbers_of_pixel(
    const graft_byte_window *window, ptrdiff_t pixel, ptrdiff_t channel,
    const graft_quantization *quantization) {
  const uint8_t *x = window->source + window->pixels[pixel] + channel;
  const ptrdiff_t count = window->channels - channel;
  panel_bytes bytes = 0;
  if (count >= PANEL)
    bytes = *(const unaligned_panel_bytes *)x;
  else
    memcpy(&bytes, x, (size_t)count);
  // Unsigned bytes become signed ones, and so does their zero point.
  int32_t zero_point = *quantization->zero_points;
  if (!window->is_signed) {
    bytes ^= (int8_t)-128;
    zero_point -= 128;
  }
  const panel_integers integers = __builtin_convertvector(bytes, panel_integers) - zero_point;
  return __builtin_convertvector(integers, panel_floats) * *quantization->scales;
}

GRAFT_INLINE void store_means(
    const graft_byte_window *window, ptrdiff_t channel, panel_floats x, float *means) {
  const ptrdiff_t count = window->channels - channel;
  memcpy(means + channel, &x, (size_t)(count < PANEL ? count : PANEL) * sizeof *means);
}

static void average_of_window(
    const graft_byte_window *window, const graft_quantization *quantization, ptrdiff_t row_count,
    float divisor, float *means) {
  const ptrdiff_t columns = row_count > 0 ? window->pixel_count / row_count : 0;
  for (ptrdiff_t channel = 0; channel < window->channels; channel += PANEL) {
    panel_floats total = 0;
    for (ptrdiff_t column = 0; column < columns; column++) {
      panel_floats sum = numbers_of_pixel(window, column, channel, quantization);
      for (ptrdiff_t row = 1; row < row_count; row++)
        sum += numbers_of_pixel(window, row * columns + column, channel, quantization);
      total += sum;
    }
    store_means(window, channel, total / divisor, means);
  }
}

static void average_of_image(
    const graft_byte_window *window, const graft_quantization *quantization, float *means) {
  for (ptrdiff_t channel = 0; channel < window->channels; channel += PANEL) {
    panel_doubles total = 0;
    for (ptrdiff_t pixel = 0; pixel < window->pixel_count; pixel++)
      total += __builtin_convertvector(
          numbers_of_pixel(window, pixel, channel, quantization), panel_doubles);
    const panel_doubles mean = total / (double)window->pixel_count;
    store_means(window, channel, __builtin_convertvector(mean, panel_floats), means);
  }
}
