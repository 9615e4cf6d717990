#ifndef GRAFT_JPEG_H
#define GRAFT_JPEG_H

#include <stddef.h>
#include <stdint.h>

/// The size of a message, including the terminating zero.
#define GRAFT_JPEG_MESSAGE_SIZE 256

/// A JPEG image in memory. libjpeg reports errors with longjmp, which must not pass through Swift:
/// these functions catch it and return a status instead.
typedef struct graft_jpeg_reader graft_jpeg_reader;

/// Opens the image and reads its header.
///
/// `bytes` must live until `graft_jpeg_close`. `maximum_memory` bounds what libjpeg allocates, in
/// bytes. Returns NULL on failure, with the reason in `message`.
graft_jpeg_reader *graft_jpeg_open(
    const uint8_t *bytes, size_t byte_count, size_t maximum_memory,
    char message[GRAFT_JPEG_MESSAGE_SIZE]);

uint32_t graft_jpeg_width(const graft_jpeg_reader *reader);
uint32_t graft_jpeg_height(const graft_jpeg_reader *reader);

/// Whether the entropy coder is Huffman's, which uses at least one bit per block.
int graft_jpeg_is_huffman_coded(const graft_jpeg_reader *reader);

/// Decodes the image to height x width x 3 bytes; call it once. Returns 0 on failure, with the
/// reason in `message`. A truncated image is a failure.
int graft_jpeg_read_rgb(
    graft_jpeg_reader *reader, uint8_t *pixels, char message[GRAFT_JPEG_MESSAGE_SIZE]);

/// libjpeg's first warning about damage that it could bridge; empty if there was none.
const char *graft_jpeg_warning(const graft_jpeg_reader *reader);

void graft_jpeg_close(graft_jpeg_reader *reader);

#endif
