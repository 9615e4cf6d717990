#ifndef GRAFT_MOVEMENT_UNALIGNED_H
#define GRAFT_MOVEMENT_UNALIGNED_H

#include <stdint.h>

// Elements by width, readable and writable without alignment.
typedef struct __attribute__((packed, may_alias)) {
  uint8_t bits;
} element_1;
typedef struct __attribute__((packed, may_alias)) {
  uint16_t bits;
} element_2;
typedef struct __attribute__((packed, may_alias)) {
  uint32_t bits;
} element_4;
typedef struct __attribute__((packed, may_alias)) {
  uint64_t bits;
} element_8;
typedef struct __attribute__((packed, may_alias)) {
  uint64_t bits[2];
} element_16;

#endif
