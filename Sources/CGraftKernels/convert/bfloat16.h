#ifndef GRAFT_CONVERT_BFLOAT16_H
#define GRAFT_CONVERT_BFLOAT16_H

#include <stdint.h>
#include <string.h>

/// The bits of the nearest bfloat16, ties to even; NaN stays NaN.
static inline uint16_t graft_bfloat16_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return (uint16_t)((bits >> 16) | 0x40);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

#endif
