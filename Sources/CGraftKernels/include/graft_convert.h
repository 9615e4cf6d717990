#ifndef GRAFT_CONVERT_H
#define GRAFT_CONVERT_H

#include <stddef.h>
#include <stdint.h>

/// Conversions between float and the 16-bit types, which are passed as bits.
///
/// To the narrow type they round to nearest, ties to even; NaN stays NaN, overflow gives infinity.
/// Source and destination must not overlap.
typedef struct {
  void (*float16_to_float)(const uint16_t *source, float *destination, size_t count);
  void (*float_to_float16)(const float *source, uint16_t *destination, size_t count);
  void (*bfloat16_to_float)(const uint16_t *source, float *destination, size_t count);
  void (*float_to_bfloat16)(const float *source, uint16_t *destination, size_t count);
} graft_convert_table;

#endif
