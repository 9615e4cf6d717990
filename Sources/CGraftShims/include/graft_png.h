#ifndef GRAFT_PNG_H
#define GRAFT_PNG_H

#include <stddef.h>
#include <stdint.h>

/// Room for a message, the closing zero included.
#define GRAFT_PNG_MESSAGE_SIZE 256

/// A PNG picture in memory that is being read. libpng reports errors with longjmp, which must not
/// pass through Swift: these functions catch it and return a status instead.
typedef struct graft_png_reader graft_png_reader;

/// Opens the picture and reads what comes before its pixels.
///
/// `bytes` must live until `graft_png_close`. Returns NULL on failure, with the reason in
/// `message`.
graft_png_reader *graft_png_open(const uint8_t *bytes, size_t byte_count,
                                 char message[GRAFT_PNG_MESSAGE_SIZE]);

uint32_t graft_png_width(const graft_png_reader *reader);
uint32_t graft_png_height(const graft_png_reader *reader);

/// Bits of one pixel as the file stores it, once decompressed.
uint32_t graft_png_bits_per_pixel(const graft_png_reader *reader);

/// Decodes the picture to height x width x 3 bytes, once. Returns 0 on failure, with the reason in
/// `message`; a picture that ends early is a failure.
///
/// Alpha is dropped and gamma left alone. Of 16-bit colours the upper byte is kept, while 16-bit
/// greys are clipped to 255: both are what Pillow's `convert("RGB")` gives.
int graft_png_read_rgb(graft_png_reader *reader, uint8_t *pixels,
                       char message[GRAFT_PNG_MESSAGE_SIZE]);

void graft_png_close(graft_png_reader *reader);

/// Encodes height x width x 3 bytes as a PNG file in memory, which the caller frees. Returns NULL on
/// failure, with the reason in `message`.
uint8_t *graft_png_encode_rgb(const uint8_t *pixels, uint32_t width, uint32_t height,
                              size_t *byte_count, char message[GRAFT_PNG_MESSAGE_SIZE]);

#endif
