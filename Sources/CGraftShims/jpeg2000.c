#include "graft_jpeg2000.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openjpeg.h>

#include "inks.h"

struct graft_jpeg2000_reader {
  opj_codec_t *codec;
  opj_stream_t *stream;
  opj_image_t *image;
  const uint8_t *bytes;
  size_t byte_count, position;
  char reason[GRAFT_JPEG2000_MESSAGE_SIZE];
};

static void copy_message(const char *text, char *message) {
  snprintf(message, GRAFT_JPEG2000_MESSAGE_SIZE, "%s", text);
}

// MARK: The file in memory

static OPJ_SIZE_T read_bytes(void *target, OPJ_SIZE_T count, void *context) {
  graft_jpeg2000_reader *reader = context;
  const size_t rest = reader->byte_count - reader->position;
  if (rest == 0) return (OPJ_SIZE_T)-1;
  const size_t taken = count < rest ? count : rest;
  memcpy(target, reader->bytes + reader->position, taken);
  reader->position += taken;
  return taken;
}

static OPJ_OFF_T skip_bytes(OPJ_OFF_T count, void *context) {
  graft_jpeg2000_reader *reader = context;
  if (count < 0) return -1;
  const size_t rest = reader->byte_count - reader->position;
  reader->position += (size_t)count < rest ? (size_t)count : rest;
  return count;
}

static OPJ_BOOL seek(OPJ_OFF_T offset, void *context) {
  graft_jpeg2000_reader *reader = context;
  if (offset < 0 || (size_t)offset > reader->byte_count) return OPJ_FALSE;
  reader->position = (size_t)offset;
  return OPJ_TRUE;
}

/// Keeps the first error, without its line's end.
static void note_error(const char *text, void *context) {
  graft_jpeg2000_reader *reader = context;
  if (reader->reason[0] != 0) return;
  snprintf(reader->reason, sizeof reader->reason, "%s", text);
  reader->reason[strcspn(reader->reason, "\r\n")] = 0;
}

static void ignore(const char *text, void *context) { (void)text, (void)context; }

static void copy_reason(const graft_jpeg2000_reader *reader, char *message) {
  copy_message(reader->reason[0] != 0 ? reader->reason : "its data are damaged", message);
}

// MARK: Opening

graft_jpeg2000_reader *graft_jpeg2000_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_JPEG2000_MESSAGE_SIZE]) {
  graft_jpeg2000_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) {
    copy_message("out of memory", message);
    return NULL;
  }
  reader->bytes = bytes;
  reader->byte_count = byte_count;
  const int is_stream = byte_count > 1 && bytes[0] == 0xff && bytes[1] == 0x4f;
  reader->codec = opj_create_decompress(is_stream ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
  reader->stream = opj_stream_create(1 << 16, OPJ_TRUE);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (reader->codec == NULL || reader->stream == NULL) {
    copy_message("out of memory", message);
    graft_jpeg2000_close(reader);
    return NULL;
  }
  opj_set_error_handler(reader->codec, note_error, reader);
  opj_set_warning_handler(reader->codec, ignore, NULL);
  opj_set_info_handler(reader->codec, ignore, NULL);
  opj_stream_set_read_function(reader->stream, read_bytes);
  opj_stream_set_skip_function(reader->stream, skip_bytes);
  opj_stream_set_seek_function(reader->stream, seek);
  opj_stream_set_user_data(reader->stream, reader, NULL);
  opj_stream_set_user_data_length(reader->stream, byte_count);
  if (!opj_setup_decoder(reader->codec, &parameters) ||
      !opj_read_header(reader->stream, reader->codec, &reader->image)) {
    copy_reason(reader, message);
    graft_jpeg2000_close(reader);
    return NULL;
  }
  return reader;
}

uint32_t graft_jpeg2000_width(const graft_jpeg2000_reader *reader) {
  return reader->image->x1 - reader->image->x0;
}

uint32_t graft_jpeg2000_height(const graft_jpeg2000_reader *reader) {
  return reader->image->y1 - reader->image->y0;
}

uint32_t graft_jpeg2000_component_count(const graft_jpeg2000_reader *reader) {
  return reader->image->numcomps;
}

// MARK: Reading

/// The sample of a component that covers a pixel, as a byte: its upper 8 bits, if it has more.
static uint8_t sample_at(
    const opj_image_t *image, const opj_image_comp_t *component, uint32_t x, uint32_t y) {
  const uint32_t column = (image->x0 + x) / component->dx, row = (image->y0 + y) / component->dy;
  uint32_t i = column > component->x0 ? column - component->x0 : 0;
  uint32_t j = row > component->y0 ? row - component->y0 : 0;
  if (i >= component->w) i = component->w - 1;
  if (j >= component->h) j = component->h - 1;
  int64_t sample = component->data[(size_t)j * component->w + i];
  const int precision = (int)component->prec;
  if (component->sgnd) sample += (int64_t)1 << (precision - 1);
  const int64_t largest = ((int64_t)1 << precision) - 1;
  if (sample < 0) sample = 0;
  if (sample > largest) sample = largest;
  if (precision < 8) return (uint8_t)((sample * 255 + largest / 2) / largest);
  return (uint8_t)(sample >> (precision - 8));
}

static uint8_t clipped(double value) {
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

/// The components of a pixel to red, green and blue.
static void convert_pixel(const uint8_t *samples, int is_luma, int count, uint8_t *pixel) {
  if (count < 3) {
    memset(pixel, samples[0], 3);
  } else if (count == 4) {
    uint8_t inks[4];
    for (int c = 0; c < 4; c++) inks[c] = (uint8_t)(255 - samples[c]);
    graft_convert_inverted_cmyk(inks, pixel, 1);
  } else if (is_luma) {
    const double luma = samples[0], blue = samples[1] - 128.0, red = samples[2] - 128.0;
    pixel[0] = clipped(luma + 1.402 * red);
    pixel[1] = clipped(luma - 0.344136286 * blue - 0.714136286 * red);
    pixel[2] = clipped(luma + 1.772 * blue);
  } else {
    memcpy(pixel, samples, 3);
  }
}

int graft_jpeg2000_read_rgb(
    graft_jpeg2000_reader *reader, uint8_t *pixels, char message[GRAFT_JPEG2000_MESSAGE_SIZE]) {
  opj_image_t *image = reader->image;
  const uint32_t width = graft_jpeg2000_width(reader), height = graft_jpeg2000_height(reader);
  if (!opj_decode(reader->codec, reader->stream, image)) {
    copy_reason(reader, message);
    return 0;
  }
  // Of what reads below rely on, a file may have changed everything.
  int is_sound = image->numcomps > 0 && graft_jpeg2000_width(reader) == width &&
                 graft_jpeg2000_height(reader) == height;
  for (uint32_t c = 0; c < image->numcomps && is_sound; c++) {
    const opj_image_comp_t *component = &image->comps[c];
    is_sound = component->data != NULL && component->w > 0 && component->h > 0 &&
               component->dx > 0 && component->dy > 0 && component->prec > 0 &&
               component->prec <= 32;
  }
  if (!is_sound) {
    copy_reason(reader, message);
    return 0;
  }
  // One or two components are grey, and four are inks or colours with alpha.
  const uint32_t components = image->numcomps;
  const int is_subsampled = components >= 3 && image->comps[1].dx > image->comps[0].dx;
  const int is_unknown =
      image->color_space == OPJ_CLRSPC_UNSPECIFIED || image->color_space == OPJ_CLRSPC_UNKNOWN;
  const int is_luma = image->color_space == OPJ_CLRSPC_SYCC ||
                      image->color_space == OPJ_CLRSPC_EYCC || (is_unknown && is_subsampled);
  int count = components < 3 ? 1 : 3;
  if (components >= 4 && image->color_space == OPJ_CLRSPC_CMYK) count = 4;
  for (uint32_t y = 0; y < height; y++) {
    for (uint32_t x = 0; x < width; x++) {
      uint8_t samples[4] = {0};
      for (int c = 0; c < count; c++) samples[c] = sample_at(image, &image->comps[c], x, y);
      convert_pixel(samples, is_luma, count, pixels + ((size_t)y * width + x) * 3);
    }
  }
  return 1;
}

void graft_jpeg2000_close(graft_jpeg2000_reader *reader) {
  if (reader->image != NULL) opj_image_destroy(reader->image);
  if (reader->stream != NULL) opj_stream_destroy(reader->stream);
  if (reader->codec != NULL) opj_destroy_codec(reader->codec);
  free(reader);
}
