#ifndef GRAFT_HEIF_H
#define GRAFT_HEIF_H

#include <stddef.h>
#include <stdint.h>

/// The size of a message, including the terminating zero.
#define GRAFT_HEIF_MESSAGE_SIZE 256

/// libheif, which is loaded at run time, as it need not be installed. Returns 0 if it is missing or
/// too old, with the reason in `message`.
int graft_heif_load(char message[GRAFT_HEIF_MESSAGE_SIZE]);

/// The primary image of a HEIC or AVIF file in memory.
typedef struct graft_heif_reader graft_heif_reader;

/// Opens the file and reads what it says of its images; `graft_heif_load` must have succeeded.
///
/// `bytes` must live until `graft_heif_close`. Returns NULL on failure, with the reason in
/// `message`.
graft_heif_reader *graft_heif_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_HEIF_MESSAGE_SIZE]);

/// The extents of the upright image.
uint32_t graft_heif_width(const graft_heif_reader *reader);
uint32_t graft_heif_height(const graft_heif_reader *reader);

/// Decodes the image, upright, to height x width x 3 bytes; call it once. Returns 0 on failure,
/// with the reason in `message`. Alpha is dropped.
int graft_heif_read_rgb(
    graft_heif_reader *reader, uint8_t *pixels, char message[GRAFT_HEIF_MESSAGE_SIZE]);

void graft_heif_close(graft_heif_reader *reader);

#endif
