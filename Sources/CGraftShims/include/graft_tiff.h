#ifndef GRAFT_TIFF_H
#define GRAFT_TIFF_H

#include <stddef.h>
#include <stdint.h>

/// The size of a message, including the terminating zero.
#define GRAFT_TIFF_MESSAGE_SIZE 256

/// The first image of a TIFF file in memory. libtiff's variadic functions cannot be called from
/// Swift.
typedef struct graft_tiff_reader graft_tiff_reader;

/// Opens the file and reads its first directory.
///
/// `bytes` must live until `graft_tiff_close`. `maximum_memory` bounds each of libtiff's
/// allocations, in bytes. Returns NULL on failure, with the reason in `message`.
graft_tiff_reader *graft_tiff_open(
    const uint8_t *bytes, size_t byte_count, size_t maximum_memory,
    char message[GRAFT_TIFF_MESSAGE_SIZE]);

uint32_t graft_tiff_width(const graft_tiff_reader *reader);
uint32_t graft_tiff_height(const graft_tiff_reader *reader);

/// The tag Orientation, numbered like EXIF's; 1 if there is none.
uint32_t graft_tiff_orientation(const graft_tiff_reader *reader);

/// The most bytes of samples that a byte of the file can hold; 0 where there is no such limit.
uint32_t graft_tiff_compression_ratio(const graft_tiff_reader *reader);

/// Bits of a pixel, once decompressed.
uint32_t graft_tiff_bits_per_pixel(const graft_tiff_reader *reader);

/// Decodes the image to height x width x 3 bytes; call it once. Returns 0 on failure, with the
/// reason in `message`.
///
/// Grey, palettes, red, green and blue, and inks of up to 16 bits are converted as Pillow does, but
/// for 16-bit samples, of which the upper byte is used. Alpha is dropped. Other colour spaces are
/// converted by libtiff.
int graft_tiff_read_rgb(
    graft_tiff_reader *reader, uint8_t *pixels, char message[GRAFT_TIFF_MESSAGE_SIZE]);

void graft_tiff_close(graft_tiff_reader *reader);

#endif
