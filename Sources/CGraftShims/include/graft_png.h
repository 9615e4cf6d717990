#ifndef GRAFT_PNG_H
#define GRAFT_PNG_H

#include <stddef.h>
#include <stdint.h>

/// Room for a message, the closing zero included.
#define GRAFT_PNG_MESSAGE_SIZE 256

/// A PNG image in memory that is being read. libpng reports errors with longjmp, which must not
/// pass through Swift: these functions catch it and return a status instead.
typedef struct graft_png_reader graft_png_reader;

/// Opens the image and reads what comes before its pixels.
///
/// `bytes` must live until `graft_png_close`. Returns NULL on failure, with the reason in
/// `message`.
graft_png_reader *graft_png_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_PNG_MESSAGE_SIZE]);

uint32_t graft_png_width(const graft_png_reader *reader);
uint32_t graft_png_height(const graft_png_reader *reader);

/// Bits of one pixel as the file stores it, once decompressed.
uint32_t graft_png_bits_per_pixel(const graft_png_reader *reader);

/// Decodes the image to height x width x 3 bytes, once. Returns 0 on failure, with the reason in
/// `message`; an image whose pixels are not all there is a failure.
///
/// Alpha is dropped and gamma left alone. Of 16-bit samples the upper byte is kept, as Pillow's
/// `convert("RGB")` does with colours and TensorFlow's `decode_image` with all. (Pillow clips
/// 16-bit greys at 255, which makes them white.)
int graft_png_read_rgb(
    graft_png_reader *reader, uint8_t *pixels, char message[GRAFT_PNG_MESSAGE_SIZE]);

/// Whether pixels that were read came from a chunk whose checksum is wrong.
int graft_png_has_wrong_checksum(const graft_png_reader *reader);

void graft_png_close(graft_png_reader *reader);

/// Encodes height x width x 3 bytes as a PNG file in memory, which the caller frees. Returns NULL
/// on failure, with the reason in `message`.
uint8_t *graft_png_encode_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, size_t *byte_count,
    char message[GRAFT_PNG_MESSAGE_SIZE]);

/// Unpacks what zlib packed, as texts in PNG files are: at most `limit` bytes of it, into memory
/// that the caller frees. Returns NULL if the data are damaged, or unpack to more.
uint8_t *graft_png_inflate(
    const uint8_t *bytes, size_t byte_count, size_t limit, size_t *unpacked_count);

#endif
