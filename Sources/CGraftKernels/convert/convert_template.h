// The table of conversions for the instruction set that the including file chose. That file defines
// GRAFT_LANES, GRAFT_TABLE, and `floats_of_halves` and `halves_of_floats` on the vectors of
// convert_vectors.h.

#include "graft_convert.h"

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

/// Defines `name`. What does not fill a vector is converted in one that is padded with zeros.
#define GRAFT_CONVERT(name, From, from_vector, To, to_vector, convert)                  \
  static void name(const From *source, To *destination, size_t count) {                 \
    from_vector value = {0};                                                            \
    to_vector result;                                                                   \
    size_t i = 0;                                                                       \
    for (; count - i >= GRAFT_LANES; i += GRAFT_LANES) {                                \
      memcpy(&value, source + i, sizeof value);                                         \
      result = convert(value);                                                          \
      memcpy(destination + i, &result, sizeof result);                                  \
    }                                                                                   \
    if (i == count) return;                                                             \
    memcpy(&value, source + i, (count - i) * sizeof *source);                           \
    result = convert(value);                                                            \
    memcpy(destination + i, &result, (count - i) * sizeof *destination);                \
  }

GRAFT_CONVERT(float16_to_float, uint16_t, halves, float, floats, floats_of_halves)
GRAFT_CONVERT(float_to_float16, float, floats, uint16_t, halves, halves_of_floats)
GRAFT_CONVERT(bfloat16_to_float, uint16_t, halves, float, floats, floats_of_brains)
GRAFT_CONVERT(float_to_bfloat16, float, floats, uint16_t, halves, brains_of_floats)

const struct graft_convert_table GRAFT_TABLE = {
    .float16_to_float = float16_to_float,
    .float_to_float16 = float_to_float16,
    .bfloat16_to_float = bfloat16_to_float,
    .float_to_bfloat16 = float_to_bfloat16,
};
