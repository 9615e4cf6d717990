#include "graft_png.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

struct graft_png_reader {
  png_structp decoder;
  png_infop info;
  const uint8_t *bytes;
  size_t remaining;
  int has_wrong_checksum;
  int has_wrong_content;
  jmp_buf failure;
  char reason[GRAFT_PNG_MESSAGE_SIZE];
};

static const char truncated[] = "it is truncated";
static const char damaged[] = "its data do not match their checksum";

/// zlib's message for data that do not match their checksum: they are damaged, for Pillow too.
static const char wrong_content[] = "incorrect data check";

static void fail(png_structp decoder, png_const_charp reason) {
  graft_png_reader *reader = png_get_error_ptr(decoder);
  snprintf(reader->reason, sizeof reader->reason, "%s", reason);
  longjmp(reader->failure, 1);
}

/// Only warnings about the pixels matter.
static void note_warning(png_structp decoder, png_const_charp warning) {
  graft_png_reader *reader = png_get_error_ptr(decoder);
  if (strstr(warning, "CRC error") != NULL) reader->has_wrong_checksum = 1;
  if (strstr(warning, wrong_content) != NULL) reader->has_wrong_content = 1;
}

static void read_bytes(png_structp decoder, png_bytep target, size_t count) {
  graft_png_reader *reader = png_get_io_ptr(decoder);
  if (count > reader->remaining) png_error(decoder, truncated);
  memcpy(target, reader->bytes, count);
  reader->bytes += count;
  reader->remaining -= count;
}

static void copy_message(const char *text, char *message) {
  snprintf(message, GRAFT_PNG_MESSAGE_SIZE, "%s", text);
}

graft_png_reader *graft_png_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_PNG_MESSAGE_SIZE]) {
  graft_png_reader *const reader = calloc(1, sizeof *reader);
  if (reader == NULL) {
    copy_message("out of memory", message);
    return NULL;
  }
  reader->bytes = bytes;
  reader->remaining = byte_count;
  if (setjmp(reader->failure)) {
    copy_message(reader->reason, message);
    graft_png_close(reader);
    return NULL;
  }
  reader->decoder = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, fail, note_warning);
  if (reader->decoder != NULL) reader->info = png_create_info_struct(reader->decoder);
  if (reader->info == NULL) {
    copy_message("libpng does not start", message);
    graft_png_close(reader);
    return NULL;
  }
  png_set_read_fn(reader->decoder, reader, read_bytes);
  // Only the pixels and their palette are read: profiles and texts can hide large contents.
  png_set_keep_unknown_chunks(reader->decoder, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  // The caller checks the extents; these are PNG's own limits.
  png_set_user_limits(reader->decoder, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_read_info(reader->decoder, reader->info);
  return reader;
}

uint32_t graft_png_width(const graft_png_reader *reader) {
  return png_get_image_width(reader->decoder, reader->info);
}

uint32_t graft_png_height(const graft_png_reader *reader) {
  return png_get_image_height(reader->decoder, reader->info);
}

uint32_t graft_png_bits_per_pixel(const graft_png_reader *reader) {
  return (uint32_t)png_get_bit_depth(reader->decoder, reader->info) *
         png_get_channels(reader->decoder, reader->info);
}

/// Whether the last row was decoded; only the end of the compressed data follows.
static int has_all_rows(const graft_png_reader *reader) {
  if (png_get_interlace_type(reader->decoder, reader->info) != PNG_INTERLACE_NONE)
    return png_get_current_pass_number(reader->decoder) >= 7;
  return png_get_current_row_number(reader->decoder) >=
         png_get_image_height(reader->decoder, reader->info);
}

int graft_png_read_rgb(
    graft_png_reader *reader, uint8_t *pixels, char message[GRAFT_PNG_MESSAGE_SIZE]) {
  png_structp decoder = reader->decoder;
  png_infop info = reader->info;
  if (setjmp(reader->failure)) {
    if (strstr(reader->reason, wrong_content) != NULL) {
      copy_message(damaged, message);
    } else if (has_all_rows(reader) && !reader->has_wrong_content) {
      return 1;
    } else {
      copy_message(
          strcmp(reader->reason, "Not enough image data") == 0 ? truncated : reader->reason,
          message);
    }
    return 0;
  }
  // Data with a wrong checksum are decoded; the compressed data have their own checksum.
  png_set_crc_action(decoder, PNG_CRC_WARN_USE, PNG_CRC_WARN_DISCARD);
  size_t width = png_get_image_width(decoder, info);
  size_t height = png_get_image_height(decoder, info);
  int color_type = png_get_color_type(decoder, info);
  png_set_strip_16(decoder);
  if (color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(decoder);
  if (color_type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(decoder);
  if (!(color_type & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(decoder);
  png_set_strip_alpha(decoder);
  int pass_count = png_set_interlace_handling(decoder);
  png_read_update_info(decoder, info);
  if (png_get_rowbytes(decoder, info) != width * 3)
    png_error(decoder, "its rows have an unexpected size");
  for (int pass = 0; pass < pass_count; pass++) {
    for (size_t y = 0; y < height; y++) png_read_row(decoder, pixels + y * width * 3, NULL);
  }
  if (reader->has_wrong_content) {
    copy_message(damaged, message);
    return 0;
  }
  return 1;
}

int graft_png_has_wrong_checksum(const graft_png_reader *reader) {
  return reader->has_wrong_checksum;
}

void graft_png_close(graft_png_reader *reader) {
  png_destroy_read_struct(&reader->decoder, &reader->info, NULL);
  free(reader);
}

uint8_t *graft_png_encode_rgb(
    const uint8_t *pixels, uint32_t width, uint32_t height, size_t *byte_count,
    char message[GRAFT_PNG_MESSAGE_SIZE]) {
  png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
  image.width = width;
  image.height = height;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  uint8_t *const bytes = malloc(size);
  if (bytes == NULL) {
    copy_message("out of memory", message);
    return NULL;
  }
  if (!png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL)) {
    copy_message(image.message, message);
    free(bytes);
    return NULL;
  }
  *byte_count = size;
  return bytes;
}

uint8_t *graft_png_inflate(
    const uint8_t *bytes, size_t byte_count, size_t limit, size_t *unpacked_count) {
  uint8_t *const unpacked = malloc(limit);
  uLongf count = limit;
  if (unpacked == NULL || uncompress(unpacked, &count, bytes, byte_count) != Z_OK) {
    free(unpacked);
    return NULL;
  }
  *unpacked_count = count;
  return unpacked;
}
