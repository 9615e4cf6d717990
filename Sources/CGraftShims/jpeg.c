#include "graft_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "inks.h"

/// Limits scans: a small file can request thousands of them over a large image.
enum { maximum_scan_count = 500 };

struct graft_jpeg_reader {
  struct jpeg_decompress_struct decoder;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  int has_too_many_scans;
  jmp_buf failure;
  /// The first warning; empty if there was none.
  char warning[JMSG_LENGTH_MAX];
};

static void fail(j_common_ptr decoder) {
  graft_jpeg_reader *reader = decoder->client_data;
  longjmp(reader->failure, 1);
}

/// Warnings (level -1) are about damage that the decoder can bridge.
static void note_message(j_common_ptr decoder, int level) {
  graft_jpeg_reader *reader = decoder->client_data;
  if (level >= 0 || reader->warning[0] != 0) return;
  reader->errors.format_message(decoder, reader->warning);
}

static void init_source(j_decompress_ptr decoder) { (void)decoder; }
static void term_source(j_decompress_ptr decoder) { (void)decoder; }

/// All bytes are there from the start: a request for more means that the file ends early. The
/// decoder is suspended, as in Pillow, instead of being fed a made-up end.
static boolean fill_input_buffer(j_decompress_ptr decoder) {
  (void)decoder;
  return FALSE;
}

static void skip_input_data(j_decompress_ptr decoder, long byte_count) {
  struct jpeg_source_mgr *source = decoder->src;
  if (byte_count <= 0) return;
  size_t skipped = (size_t)byte_count;
  if (skipped > source->bytes_in_buffer) skipped = source->bytes_in_buffer;
  source->next_input_byte += skipped;
  source->bytes_in_buffer -= skipped;
}

static void limit_scans(j_common_ptr common) {
  j_decompress_ptr decoder = (j_decompress_ptr)common;
  if (decoder->input_scan_number <= maximum_scan_count) return;
  graft_jpeg_reader *reader = common->client_data;
  reader->has_too_many_scans = 1;
  fail(common);
}

static void copy_library_message(graft_jpeg_reader *reader, char *message) {
  char text[JMSG_LENGTH_MAX];
  if (reader->has_too_many_scans) {
    snprintf(text, sizeof text, "it has more than %d scans", maximum_scan_count);
  } else {
    reader->errors.format_message((j_common_ptr)&reader->decoder, text);
  }
  snprintf(message, GRAFT_JPEG_MESSAGE_SIZE, "%s", text);
}

static void copy_message(const char *text, char *message) {
  snprintf(message, GRAFT_JPEG_MESSAGE_SIZE, "%s", text);
}

static const char truncated[] = "it is truncated";

graft_jpeg_reader *graft_jpeg_open(
    const uint8_t *bytes, size_t byte_count, size_t maximum_memory,
    char message[GRAFT_JPEG_MESSAGE_SIZE]) {
  graft_jpeg_reader *const reader = calloc(1, sizeof *reader);
  if (reader == NULL) {
    copy_message("out of memory", message);
    return NULL;
  }
  struct jpeg_decompress_struct *decoder = &reader->decoder;
  decoder->err = jpeg_std_error(&reader->errors);
  decoder->client_data = reader;
  reader->errors.error_exit = fail;
  reader->errors.emit_message = note_message;
  if (setjmp(reader->failure)) {
    copy_library_message(reader, message);
    graft_jpeg_close(reader);
    return NULL;
  }
  jpeg_create_decompress(decoder);
  decoder->mem->max_memory_to_use = (long)maximum_memory;
  reader->progress.progress_monitor = limit_scans;
  decoder->progress = &reader->progress;
  reader->source = (struct jpeg_source_mgr){
      .next_input_byte = bytes,
      .bytes_in_buffer = byte_count,
      .init_source = init_source,
      .fill_input_buffer = fill_input_buffer,
      .skip_input_data = skip_input_data,
      .resync_to_restart = jpeg_resync_to_restart,
      .term_source = term_source,
  };
  decoder->src = &reader->source;

  if (jpeg_read_header(decoder, TRUE) != JPEG_HEADER_OK) {
    copy_message(truncated, message);
    graft_jpeg_close(reader);
    return NULL;
  }
  int components = decoder->num_components;
  if (components != 1 && components != 3 && components != 4) {
    snprintf(
        message, GRAFT_JPEG_MESSAGE_SIZE, "it has %d colour components; only 1, 3 and 4 are known",
        components);
    graft_jpeg_close(reader);
    return NULL;
  }
  decoder->out_color_space = components == 4 ? JCS_CMYK : JCS_RGB;
  return reader;
}

uint32_t graft_jpeg_width(const graft_jpeg_reader *reader) { return reader->decoder.image_width; }

uint32_t graft_jpeg_height(const graft_jpeg_reader *reader) { return reader->decoder.image_height; }

int graft_jpeg_is_huffman_coded(const graft_jpeg_reader *reader) {
  return !reader->decoder.arith_code;
}

int graft_jpeg_read_rgb(
    graft_jpeg_reader *reader, uint8_t *pixels, char message[GRAFT_JPEG_MESSAGE_SIZE]) {
  struct jpeg_decompress_struct *decoder = &reader->decoder;
  if (setjmp(reader->failure)) {
    copy_library_message(reader, message);
    return 0;
  }
  if (!jpeg_start_decompress(decoder)) {
    copy_message(truncated, message);
    return 0;
  }
  size_t width = decoder->output_width;
  JSAMPARRAY inks = NULL;
  if (decoder->out_color_space == JCS_CMYK) {
    inks = decoder->mem->alloc_sarray(
        (j_common_ptr)decoder, JPOOL_IMAGE, decoder->output_width * 4, 1);
  }
  while (decoder->output_scanline < decoder->output_height) {
    JSAMPROW target = pixels + (size_t)decoder->output_scanline * width * 3;
    JSAMPROW row = inks != NULL ? inks[0] : target;
    if (jpeg_read_scanlines(decoder, &row, 1) != 1) {
      copy_message(truncated, message);
      return 0;
    }
    // All four inks are stored inverted, as Adobe's programs write them. Pillow assumes that of
    // every file, and so do other readers.
    if (inks != NULL) graft_convert_inverted_cmyk(row, target, width);
  }
  return 1;
}

const char *graft_jpeg_warning(const graft_jpeg_reader *reader) { return reader->warning; }

void graft_jpeg_close(graft_jpeg_reader *reader) {
  jpeg_destroy_decompress(&reader->decoder);
  free(reader);
}
