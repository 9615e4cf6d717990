#ifndef GRAFT_PNG_H
#define GRAFT_PNG_H

#include <stddef.h>
#include <stdint.h>

/// The size of a message, including the terminating zero.
#define GRAFT_PNG_MESSAGE_SIZE 256

/// A PNG image in memory. libpng reports errors with longjmp, which must not pass through Swift:
/// these functions catch it and return a status instead.
typedef struct graft_png_reader graft_png_reader;

/// Opens the image and reads everything before its pixels.
///
/// `bytes` must live until `graft_png_close`. Returns NULL on failure, with the reason in
/// `message`.
graft_png_reader *graft_png_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_PNG_MESSAGE_SIZE]);

uint32_t graft_png_width(const graft_png_reader *reader);
uint32_t graft_png_height(const graft_png_reader *reader);

/// Bits per pixel in the file, once decompressed.
uint32_t graft_png_bits_per_pixel(const graft_png_reader *reader);

/// Decodes the image to height x width x 3 bytes; call it once. Returns 0 on failure, with the
/// reason in `message`. An image with missing pixels is a failure.
///
/// Alpha is dropped and gamma ignored. Of 16-bit samples the upper byte is used, as Pillow's
/// `convert("RGB")` does for colours and TensorFlow's `decode_image` for all images. (Pillow clips
/// 16-bit greys at 255, which makes them white.)
int graft_png_read_rgb(
    graft_png_reader *reader, uint8_t *pixels, char message[GRAFT_PNG_MESSAGE_SIZE]);

/// Whether pixels came from a chunk with a wrong checksum.
int graft_png_has_wrong_checksum(const graft_png_reader *reader);

void graft_png_close(graft_png_reader *reader);

/// Encodes height x width x 3 bytes as a PNG file in memory that the caller frees. Returns NULL on
/// failure, with the reason in `message`.
uint8_t *graft_png_encode_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, size_t *byte_count,
    char message[GRAFT_PNG_MESSAGE_SIZE]);

/// Decompresses zlib data, as in the texts of PNG files: at most `limit` bytes, into memory that
/// the caller frees. Returns NULL if the data are damaged or larger.
uint8_t *graft_png_inflate(
    const uint8_t *bytes, size_t byte_count, size_t limit, size_t *unpacked_count);

#endif
