#ifndef GRAFT_JPEG2000_H
#define GRAFT_JPEG2000_H

#include <stddef.h>
#include <stdint.h>

/// The size of a message, including the terminating zero.
#define GRAFT_JPEG2000_MESSAGE_SIZE 256

/// A JPEG 2000 image in memory: a JP2 file or a code stream.
typedef struct graft_jpeg2000_reader graft_jpeg2000_reader;

/// Opens the image and reads its header.
///
/// `bytes` must live until `graft_jpeg2000_close`. Returns NULL on failure, with the reason in
/// `message`.
graft_jpeg2000_reader *graft_jpeg2000_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_JPEG2000_MESSAGE_SIZE]);

uint32_t graft_jpeg2000_width(const graft_jpeg2000_reader *reader);
uint32_t graft_jpeg2000_height(const graft_jpeg2000_reader *reader);
uint32_t graft_jpeg2000_component_count(const graft_jpeg2000_reader *reader);

/// Decodes the image to height x width x 3 bytes; call it once. Returns 0 on failure, with the
/// reason in `message`. Alpha is dropped.
int graft_jpeg2000_read_rgb(
    graft_jpeg2000_reader *reader, uint8_t *pixels, char message[GRAFT_JPEG2000_MESSAGE_SIZE]);

void graft_jpeg2000_close(graft_jpeg2000_reader *reader);

#endif
