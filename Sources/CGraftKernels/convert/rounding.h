#ifndef GRAFT_CONVERT_ROUNDING_H
#define GRAFT_CONVERT_ROUNDING_H

#include <stdint.h>
#include <string.h>

/// The nearest float16, ties to even, as a float; correct with and without flushing of subnormal
/// numbers. NaN stays NaN.
GRAFT_INLINE float graft_rounded_to_float16(float x) {
  uint32_t bits, small_bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t magnitude = bits & 0x7fffffff;
  float small;
  memcpy(&small, &magnitude, sizeof small);
  // In the sum the last bit weighs 2^-24, as in a subnormal half.
  small = (small + 0.5f) - 0.5f;
  memcpy(&small_bits, &small, sizeof small_bits);
  const uint32_t normal = (magnitude + 0xfff + ((magnitude >> 13) & 1)) & 0xffffe000;
  uint32_t result = magnitude < 0x38800000 ? small_bits : normal;
  result = magnitude >= 0x477ff000 ? 0x7f800000 : result;  // from 65520 on
  result = magnitude > 0x7f800000 ? magnitude : result;
  result |= bits & 0x80000000;
  memcpy(&x, &result, sizeof x);
  return x;
}

/// The same for bfloat16.
GRAFT_INLINE float graft_rounded_to_bfloat16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1), quiet = bits | 0x400000;
  const uint32_t result = ((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded) & 0xffff0000;
  memcpy(&x, &result, sizeof x);
  return x;
}

#endif
