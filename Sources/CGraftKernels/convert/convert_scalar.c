// For any processor: float16 by arithmetic on bits, right whether or not denormals are flushed.
#define GRAFT_LANES 4
#define GRAFT_TABLE graft_convert_scalar
#include "convert_tables.h"
#include "convert_vectors.h"

GRAFT_INLINE words select(words mask, words yes, words no) { return (mask & yes) | (~mask & no); }

GRAFT_INLINE floats floats_of_halves(halves value) {
  const words bits = __builtin_convertvector(value, words), magnitude = bits & 0x7fff;
  const words normal = (magnitude << 13) + (112u << 23);
  const words special = ((magnitude << 13) + (224u << 23)) |
                        ((words)(magnitude > 0x7c00) & 0x400000);  // NaN becomes a quiet one
  const words denormal = (words)(__builtin_convertvector(magnitude, floats) * 0x1p-24f);
  const words result = select((words)(magnitude < 0x400), denormal,
                              select((words)(magnitude >= 0x7c00), special, normal));
  return (floats)(result | (bits & 0x8000) << 16);
}

GRAFT_INLINE halves halves_of_floats(floats value) {
  const words bits = (words)value, magnitude = bits & 0x7fffffff;
  const words normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - (112u << 23)) >> 13;
  // In the sum with 0.5 the last bit weighs 2^-24, as in a denormal half.
  const words denormal = (words)((floats)magnitude + 0.5f) - 0x3f000000;
  const words nan = ((magnitude >> 13) & 0x3ff) | 0x7e00;
  words result = select((words)(magnitude < 0x38800000), denormal, normal);
  result = select((words)(magnitude >= 0x47800000), (words){0} + 0x7c00, result);
  result = select((words)(magnitude > 0x7f800000), nan, result);
  return __builtin_convertvector(result | (bits >> 16 & 0x8000), halves);
}

#include "convert_template.h"
