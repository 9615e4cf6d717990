// Conversions between float and the 16-bit types: see graft_convert.h.

enum { FLOAT_LANES = VECTOR_BYTES / 4 };

// Floats, their bits, and 16-bit elements.
typedef float floats __attribute__((vector_size(FLOAT_LANES * 4)));
typedef uint32_t words __attribute__((vector_size(FLOAT_LANES * 4)));
typedef uint16_t halves __attribute__((vector_size(FLOAT_LANES * 2)));

#if HAS_AVX512

GRAFT_INLINE floats floats_of_halves(halves value) {
  return (floats)_mm512_cvtph_ps((__m256i)value);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  return (halves)_mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT);
}

#elif HAS_F16C

GRAFT_INLINE floats floats_of_halves(halves value) {
  return (floats)_mm256_cvtph_ps((__m128i)value);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  return (halves)_mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT);
}

#else

// Integer arithmetic on bits, so that flushing denormals has no effect.

GRAFT_INLINE words select_words(words mask, words yes, words no) {
  return (mask & yes) | (~mask & no);
}

GRAFT_INLINE floats floats_of_halves(halves value) {
  const words bits = __builtin_convertvector(value, words), magnitude = bits & 0x7fff;
  const words normal = (magnitude << 13) + (112u << 23);
  const words special = ((magnitude << 13) + (224u << 23)) |
                        ((words)(magnitude > 0x7c00) & 0x400000);  // NaN becomes a quiet one
  const words denormal = (words)(__builtin_convertvector(magnitude, floats) * 0x1p-24f);
  const words result = select_words(
      (words)(magnitude < 0x400), denormal,
      select_words((words)(magnitude >= 0x7c00), special, normal));
  return (floats)(result | (bits & 0x8000) << 16);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  const words bits = (words)value, magnitude = bits & 0x7fffffff;
  const words normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112u << 23)) >> 13;
  // In the sum with 0.5 the last bit weighs 2^-24, as in a denormal half.
  const words denormal = (words)((floats)magnitude + 0.5f) - 0x3f000000;
  const words nan = ((magnitude >> 13) & 0x3ff) | 0x7e00;
  words result = select_words((words)(magnitude < 0x38800000), denormal, normal);
  result = select_words((words)(magnitude >= 0x47800000), (words){0} + 0x7c00, result);
  result = select_words((words)(magnitude > 0x7f800000), nan, result);
  return __builtin_convertvector(result | (bits >> 16 & 0x8000), halves);
}

#endif

GRAFT_INLINE floats floats_of_brains(halves value) {
  return (floats)(__builtin_convertvector(value, words) << 16);
}

GRAFT_INLINE halves brains_of_floats(floats value) {
  const words bits = (words)value;
  // Carries into the exponent, and from the largest number to infinity, as rounding should.
  const words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const words quiet = (bits >> 16) | 0x40;
  const words is_nan = (words)(value != value);
  return __builtin_convertvector((quiet & is_nan) | (rounded & ~is_nan), halves);
}

/// Defines `name`. An incomplete vector is padded with zeros and converted.
#define CONVERT(name, From, from_vector, To, to_vector, convert)         \
  static void name(const From *source, To *destination, size_t count) {  \
    from_vector value = {0};                                             \
    to_vector result;                                                    \
    size_t i = 0;                                                        \
    for (; count - i >= FLOAT_LANES; i += FLOAT_LANES) {                 \
      memcpy(&value, source + i, sizeof value);                          \
      result = convert(value);                                           \
      memcpy(destination + i, &result, sizeof result);                   \
    }                                                                    \
    if (i == count) return;                                              \
    memcpy(&value, source + i, (count - i) * sizeof *source);            \
    result = convert(value);                                             \
    memcpy(destination + i, &result, (count - i) * sizeof *destination); \
  }

CONVERT(float16_to_float, uint16_t, halves, float, floats, floats_of_halves)
CONVERT(float_to_float16, float, floats, uint16_t, halves, halves_of_floats)
CONVERT(bfloat16_to_float, uint16_t, halves, float, floats, floats_of_brains)
CONVERT(float_to_bfloat16, float, floats, uint16_t, halves, brains_of_floats)

static const graft_convert_table convert_table = {
    .float16_to_float = float16_to_float,
    .float_to_float16 = float_to_float16,
    .bfloat16_to_float = bfloat16_to_float,
    .float_to_bfloat16 = float_to_bfloat16,
};
