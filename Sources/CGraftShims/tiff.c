#include "graft_tiff.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "inks.h"

/// Colours, alpha, and some more; the work for a pixel should not be without bounds.
enum { most_samples = 32 };

struct graft_tiff_reader {
  TIFF *file;
  const uint8_t *bytes;
  size_t byte_count, position;
  size_t maximum_memory;
  uint32_t width, height;
  uint16_t bits, samples, photometric, planar, format, compression, orientation;
  /// Whether colours were multiplied by alpha.
  int is_premultiplied;
  /// Whether libtiff turns YCbCr into red, green and blue as it decompresses.
  int converts_jpeg;
  char reason[GRAFT_TIFF_MESSAGE_SIZE];
};

static void copy_message(const char *text, char *message) {
  snprintf(message, GRAFT_TIFF_MESSAGE_SIZE, "%s", text);
}

// MARK: The file in memory

static tmsize_t read_bytes(thandle_t handle, void *target, tmsize_t count) {
  graft_tiff_reader *reader = handle;
  if (count < 0 || reader->position > reader->byte_count) return 0;
  const size_t rest = reader->byte_count - reader->position;
  const size_t taken = (size_t)count < rest ? (size_t)count : rest;
  memcpy(target, reader->bytes + reader->position, taken);
  reader->position += taken;
  return (tmsize_t)taken;
}

static tmsize_t write_bytes(thandle_t handle, void *source, tmsize_t count) {
  (void)handle, (void)source, (void)count;
  return -1;
}

static toff_t seek(thandle_t handle, toff_t offset, int from) {
  graft_tiff_reader *reader = handle;
  switch (from) {
    case SEEK_SET: reader->position = (size_t)offset; break;
    case SEEK_CUR: reader->position += (size_t)offset; break;
    default: reader->position = reader->byte_count + (size_t)offset;
  }
  return reader->position;
}

static int close_file(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t file_size(thandle_t handle) { return ((graft_tiff_reader *)handle)->byte_count; }

static int map_file(thandle_t handle, void **base, toff_t *size) {
  graft_tiff_reader *reader = handle;
  *base = (void *)(uintptr_t)reader->bytes;
  *size = reader->byte_count;
  return 1;
}

static void unmap_file(thandle_t handle, void *base, toff_t size) {
  (void)handle, (void)base, (void)size;
}

/// Keeps the first error.
static int note_error(
    TIFF *file, void *context, const char *module, const char *format, va_list arguments) {
  (void)file, (void)module;
  graft_tiff_reader *reader = context;
  if (reader->reason[0] == 0) vsnprintf(reader->reason, sizeof reader->reason, format, arguments);
  return 1;
}

static int ignore_warning(
    TIFF *file, void *context, const char *module, const char *format, va_list arguments) {
  (void)file, (void)context, (void)module, (void)format, (void)arguments;
  return 1;
}

static void copy_reason(const graft_tiff_reader *reader, char *message) {
  copy_message(reader->reason[0] != 0 ? reader->reason : "its data are damaged", message);
}

// MARK: Opening

static void read_tags(graft_tiff_reader *reader) {
  TIFF *file = reader->file;
  TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &reader->width);
  TIFFGetField(file, TIFFTAG_IMAGELENGTH, &reader->height);
  TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &reader->bits);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &reader->samples);
  TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &reader->planar);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &reader->format);
  TIFFGetFieldDefaulted(file, TIFFTAG_COMPRESSION, &reader->compression);
  TIFFGetFieldDefaulted(file, TIFFTAG_ORIENTATION, &reader->orientation);
  if (!TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &reader->photometric))
    reader->photometric = reader->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  uint16_t extra_count = 0;
  uint16_t *extra = NULL;
  TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  reader->is_premultiplied = extra_count > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
  if (reader->photometric == PHOTOMETRIC_YCBCR && reader->compression == COMPRESSION_JPEG &&
      reader->planar == PLANARCONFIG_CONTIG && reader->samples == 3) {
    TIFFSetField(file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    reader->converts_jpeg = 1;
  }
}

graft_tiff_reader *graft_tiff_open(
    const uint8_t *bytes, size_t byte_count, size_t maximum_memory,
    char message[GRAFT_TIFF_MESSAGE_SIZE]) {
  graft_tiff_reader *reader = calloc(1, sizeof *reader);
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (reader == NULL || options == NULL) {
    free(reader);
    if (options != NULL) TIFFOpenOptionsFree(options);
    copy_message("out of memory", message);
    return NULL;
  }
  reader->bytes = bytes;
  reader->byte_count = byte_count;
  reader->maximum_memory = maximum_memory;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)maximum_memory);
  TIFFOpenOptionsSetErrorHandlerExtR(options, note_error, reader);
  TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_warning, reader);
  reader->file = TIFFClientOpenExt(
      "image", "r", reader, read_bytes, write_bytes, seek, close_file, file_size, map_file,
      unmap_file, options);
  TIFFOpenOptionsFree(options);
  if (reader->file == NULL) {
    copy_reason(reader, message);
    free(reader);
    return NULL;
  }
  read_tags(reader);
  return reader;
}

uint32_t graft_tiff_width(const graft_tiff_reader *reader) { return reader->width; }
uint32_t graft_tiff_height(const graft_tiff_reader *reader) { return reader->height; }
uint32_t graft_tiff_orientation(const graft_tiff_reader *reader) { return reader->orientation; }

uint32_t graft_tiff_compression_ratio(const graft_tiff_reader *reader) {
  switch (reader->compression) {
    case COMPRESSION_NONE: return 1;
    case COMPRESSION_PACKBITS: return 64;
    // A code of 12 bits stands for fewer bytes than there are codes.
    case COMPRESSION_LZW: return 4096;
    case COMPRESSION_DEFLATE:
    case COMPRESSION_ADOBE_DEFLATE: return 1032;
    default: return 0;
  }
}

uint32_t graft_tiff_bits_per_pixel(const graft_tiff_reader *reader) {
  return (uint32_t)reader->bits * reader->samples;
}

// MARK: Reading

/// The samples of a pixel that make its colour; 0 if libtiff has to convert it.
static int colour_count(const graft_tiff_reader *reader) {
  if (reader->converts_jpeg) return reader->bits == 8 ? 3 : 0;
  uint16_t inks = INKSET_CMYK;
  switch (reader->photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_PALETTE: return reader->samples >= 1 ? 1 : 0;
    case PHOTOMETRIC_RGB: return reader->samples >= 3 ? 3 : 0;
    case PHOTOMETRIC_SEPARATED:
      TIFFGetFieldDefaulted(reader->file, TIFFTAG_INKSET, &inks);
      return inks == INKSET_CMYK && reader->samples >= 4 ? 4 : 0;
    default: return 0;
  }
}

/// Sample `index` of a row, as it is stored.
static uint32_t sample_at(const uint8_t *row, size_t index, int bits) {
  switch (bits) {
    case 8: return row[index];
    case 16: {
      uint16_t sample;
      memcpy(&sample, row + 2 * index, 2);
      return sample;
    }
    default: {
      const size_t bit = index * (size_t)bits;
      return (uint32_t)(row[bit / 8] >> (8 - bits - (int)(bit % 8))) & ((1u << bits) - 1);
    }
  }
}

static uint8_t byte_of(uint32_t sample, int bits) {
  switch (bits) {
    case 1: return sample ? 255 : 0;
    case 2: return (uint8_t)(sample * 85);
    case 4: return (uint8_t)(sample * 17);
    case 16: return (uint8_t)(sample >> 8);
    default: return (uint8_t)sample;
  }
}

typedef struct {
  const uint16_t *colours[3];
  /// Whether the palette has 8 bits, as some programs write it.
  int is_narrow;
} palette;

/// Colour samples of one pixel to red, green and blue.
static void convert_pixel(
    const graft_tiff_reader *reader, const palette *palette, const uint32_t *samples,
    uint32_t alpha, uint8_t *pixel) {
  const int bits = reader->converts_jpeg ? 8 : reader->bits;
  const uint16_t photometric = reader->converts_jpeg ? PHOTOMETRIC_RGB : reader->photometric;
  switch (photometric) {
    case PHOTOMETRIC_PALETTE:
      for (int c = 0; c < 3; c++) {
        const uint16_t colour = palette->colours[c][samples[0]];
        pixel[c] = (uint8_t)(palette->is_narrow ? colour : colour >> 8);
      }
      break;
    case PHOTOMETRIC_SEPARATED: {
      uint8_t inks[4];
      for (int c = 0; c < 4; c++) inks[c] = (uint8_t)(255 - byte_of(samples[c], bits));
      graft_convert_inverted_cmyk(inks, pixel, 1);
      break;
    }
    case PHOTOMETRIC_RGB:
      for (int c = 0; c < 3; c++) {
        uint32_t colour = byte_of(samples[c], bits);
        if (reader->is_premultiplied && alpha != 0 && alpha != 255) {
          colour = colour * 255 / alpha;
          if (colour > 255) colour = 255;
        }
        pixel[c] = (uint8_t)colour;
      }
      break;
    default: {
      const uint8_t grey = byte_of(samples[0], bits);
      for (int c = 0; c < 3; c++)
        pixel[c] = photometric == PHOTOMETRIC_MINISWHITE ? (uint8_t)(255 - grey) : grey;
    }
  }
}

static int find_palette(const graft_tiff_reader *reader, palette *result) {
  uint16_t *red = NULL, *green = NULL, *blue = NULL;
  if (reader->bits > 8 || !TIFFGetField(reader->file, TIFFTAG_COLORMAP, &red, &green, &blue))
    return 0;
  *result = (palette){{red, green, blue}, 1};
  for (int i = 0; i < 1 << reader->bits; i++)
    if (red[i] > 255 || green[i] > 255 || blue[i] > 255) result->is_narrow = 0;
  return 1;
}

/// A block of the image: a strip or a tile.
typedef struct {
  uint32_t x, y, width, height;
} block;

/// Reads blocks; `planes` has the block's samples, one plane or one for each sample.
static void convert_block(
    const graft_tiff_reader *reader, const palette *palette, int colours, block part,
    uint8_t *const *planes, size_t row_bytes, uint8_t *pixels) {
  const int bits = reader->bits, is_separate = reader->planar == PLANARCONFIG_SEPARATE;
  const int has_alpha = reader->is_premultiplied && colours == 3 && reader->samples > 3;
  for (uint32_t y = 0; y < part.height && part.y + y < reader->height; y++) {
    uint8_t *pixel = pixels + ((size_t)(part.y + y) * reader->width + part.x) * 3;
    for (uint32_t x = 0; x < part.width && part.x + x < reader->width; x++, pixel += 3) {
      uint32_t samples[4], alpha = 255;
      for (int c = 0; c < colours; c++)
        samples[c] = is_separate ? sample_at(planes[c] + y * row_bytes, x, bits)
                                 : sample_at(
                                       planes[0] + y * row_bytes,
                                       (size_t)x * reader->samples + (size_t)c, bits);
      if (has_alpha && !is_separate)
        alpha = byte_of(
            sample_at(planes[0] + y * row_bytes, (size_t)x * reader->samples + 3, bits), bits);
      convert_pixel(reader, palette, samples, alpha, pixel);
    }
  }
}

static int read_blocks(graft_tiff_reader *reader, int colours, uint8_t *pixels, char *message) {
  TIFF *file = reader->file;
  palette palette = {{NULL, NULL, NULL}, 0};
  if (reader->photometric == PHOTOMETRIC_PALETTE && !find_palette(reader, &palette)) {
    copy_message("it has no palette", message);
    return 0;
  }
  const int is_tiled = TIFFIsTiled(file);
  block part = {0, 0, reader->width, reader->height};
  if (is_tiled) {
    TIFFGetField(file, TIFFTAG_TILEWIDTH, &part.width);
    TIFFGetField(file, TIFFTAG_TILELENGTH, &part.height);
  } else {
    uint32_t rows = 0;
    TIFFGetFieldDefaulted(file, TIFFTAG_ROWSPERSTRIP, &rows);
    if (rows < part.height) part.height = rows;
  }
  if (part.width == 0 || part.height == 0) {
    copy_message("its strips or tiles are empty", message);
    return 0;
  }
  const int plane_count = reader->planar == PLANARCONFIG_SEPARATE ? colours : 1;
  const uint64_t samples = reader->planar == PLANARCONFIG_SEPARATE ? 1 : reader->samples;
  const uint64_t row_bytes = (part.width * samples * reader->bits + 7) / 8;
  const tmsize_t size = is_tiled ? TIFFTileSize(file) : TIFFStripSize(file);
  const uint64_t image_bytes =
      (uint64_t)reader->width * reader->height * (uint64_t)reader->samples * reader->bits / 8;
  // Rows lie as these numbers say, and a tile is not much larger than an image.
  if (size <= 0 || row_bytes * part.height > (uint64_t)size ||
      (uint64_t)size > reader->maximum_memory / 4 ||
      (uint64_t)size > 2 * image_bytes + (1u << 25)) {
    copy_message("its strips or tiles have an impossible size", message);
    return 0;
  }
  uint8_t *planes[4] = {NULL};
  int result = 1;
  for (int i = 0; i < plane_count && result; i++) {
    planes[i] = malloc((size_t)size);
    if (planes[i] == NULL) {
      copy_message("out of memory", message);
      result = 0;
    }
  }
  for (uint32_t y = 0; y < reader->height && result; y += part.height) {
    for (uint32_t x = 0; x < reader->width && result; x += part.width) {
      part.x = x;
      part.y = y;
      for (int i = 0; i < plane_count && result; i++) {
        const uint16_t plane = (uint16_t)i;
        tmsize_t wanted = size;
        const uint32_t rest = reader->height - y;
        if (!is_tiled && rest < part.height) wanted = (tmsize_t)(row_bytes * rest);
        const tmsize_t count =
            is_tiled
                ? TIFFReadEncodedTile(file, TIFFComputeTile(file, x, y, 0, plane), planes[i], size)
                : TIFFReadEncodedStrip(file, TIFFComputeStrip(file, y, plane), planes[i], wanted);
        if (count < wanted) {
          copy_reason(reader, message);
          result = 0;
        }
      }
      if (result) convert_block(reader, &palette, colours, part, planes, (size_t)row_bytes, pixels);
      if (part.width > UINT32_MAX - x) break;
    }
    if (part.height > UINT32_MAX - y) break;
  }
  for (int i = 0; i < plane_count; i++) free(planes[i]);
  return result;
}

/// Lets libtiff convert the colours.
static int read_converted(graft_tiff_reader *reader, uint8_t *pixels, char *message) {
  char reason[1024] = "";
  TIFFRGBAImage image;
  if (!TIFFRGBAImageOK(reader->file, reason) ||
      !TIFFRGBAImageBegin(&image, reader->file, 1, reason)) {
    copy_message(reason[0] != 0 ? reason : "its colours are of an unknown kind", message);
    return 0;
  }
  // In the order of the file: the orientation is applied later.
  image.req_orientation = image.orientation;
  const size_t count = (size_t)reader->width * reader->height;
  uint32_t *raster = calloc(count, sizeof *raster);
  int result = raster != NULL;
  if (!result) copy_message("out of memory", message);
  if (result && !TIFFRGBAImageGet(&image, raster, reader->width, reader->height)) {
    copy_reason(reader, message);
    result = 0;
  }
  for (size_t i = 0; i < count && result; i++) {
    pixels[3 * i] = (uint8_t)TIFFGetR(raster[i]);
    pixels[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
    pixels[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
  }
  free(raster);
  TIFFRGBAImageEnd(&image);
  return result;
}

int graft_tiff_read_rgb(
    graft_tiff_reader *reader, uint8_t *pixels, char message[GRAFT_TIFF_MESSAGE_SIZE]) {
  reader->reason[0] = 0;
  const int colours = colour_count(reader);
  if (colours == 0) return read_converted(reader, pixels, message);
  if (reader->samples > most_samples) {
    snprintf(
        message, GRAFT_TIFF_MESSAGE_SIZE, "it has %d samples a pixel; up to %d are supported",
        reader->samples, most_samples);
    return 0;
  }
  const int bits = reader->bits;
  const int is_known = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16;
  if (!is_known || (reader->format != SAMPLEFORMAT_UINT && reader->format != SAMPLEFORMAT_VOID)) {
    snprintf(
        message, GRAFT_TIFF_MESSAGE_SIZE, "its samples are %s of %d bits; up to 16 are supported",
        reader->format == SAMPLEFORMAT_IEEEFP ? "floating-point numbers"
        : reader->format == SAMPLEFORMAT_INT  ? "signed integers"
                                              : "integers",
        bits);
    return 0;
  }
  return read_blocks(reader, colours, pixels, message);
}

void graft_tiff_close(graft_tiff_reader *reader) {
  TIFFClose(reader->file);
  free(reader);
}
