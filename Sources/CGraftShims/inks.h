#ifndef GRAFT_INKS_H
#define GRAFT_INKS_H

#include <stddef.h>
#include <stdint.h>

/// Pillow's conversion of cyan, magenta, yellow and black, all four inverted, to red, green and
/// blue.
static inline void graft_convert_inverted_cmyk(const uint8_t *inks, uint8_t *pixels, size_t width) {
  for (size_t x = 0; x < width; x++, inks += 4, pixels += 3) {
    int light = inks[3];
    for (int channel = 0; channel < 3; channel++) {
      int product = (255 - inks[channel]) * light + 128;
      int value = light - (((product >> 8) + product) >> 8);
      pixels[channel] = (uint8_t)(value < 0 ? 0 : value);
    }
  }
}

#endif
