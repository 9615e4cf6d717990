#include "graft_heif.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of libheif's interface, which has kept these names and numbers since version 1.0.
// Source: https://github.com/strukturag/libheif/blob/master/libheif/api/libheif/heif.h

struct heif_context;
struct heif_image_handle;
struct heif_image;

struct heif_error {
  int code;
  int subcode;
  const char *message;
};

enum {
  heif_colorspace_rgb = 1,
  heif_chroma_interleaved_rgb = 10,
  heif_channel_interleaved = 10,
};

static struct {
  struct heif_context *(*context_alloc)(void);
  void (*context_free)(struct heif_context *);
  struct heif_error (*context_read)(
      struct heif_context *, const void *bytes, size_t byte_count, const void *options);
  struct heif_error (*context_primary)(struct heif_context *, struct heif_image_handle **);
  int (*handle_width)(const struct heif_image_handle *);
  int (*handle_height)(const struct heif_image_handle *);
  void (*handle_release)(const struct heif_image_handle *);
  struct heif_error (*decode)(
      const struct heif_image_handle *, struct heif_image **, int colorspace, int chroma,
      const void *options);
  const uint8_t *(*plane)(const struct heif_image *, int channel, int *stride);
  int (*image_width)(const struct heif_image *, int channel);
  int (*image_height)(const struct heif_image *, int channel);
  void (*image_release)(const struct heif_image *);
} heif;

static char load_failure[GRAFT_HEIF_MESSAGE_SIZE];

static void load(void) {
  void *library = dlopen("libheif.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    snprintf(load_failure, sizeof load_failure, "libheif is not installed");
    return;
  }
  const struct {
    const char *name;
    void *function;
  } wanted[] = {
      {"heif_context_alloc", &heif.context_alloc},
      {"heif_context_free", &heif.context_free},
      {"heif_context_read_from_memory_without_copy", &heif.context_read},
      {"heif_context_get_primary_image_handle", &heif.context_primary},
      {"heif_image_handle_get_width", &heif.handle_width},
      {"heif_image_handle_get_height", &heif.handle_height},
      {"heif_image_handle_release", &heif.handle_release},
      {"heif_decode_image", &heif.decode},
      {"heif_image_get_plane_readonly", &heif.plane},
      {"heif_image_get_width", &heif.image_width},
      {"heif_image_get_height", &heif.image_height},
      {"heif_image_release", &heif.image_release},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    void *function = dlsym(library, wanted[i].name);
    if (function == NULL) {
      snprintf(
          load_failure, sizeof load_failure, "the installed libheif is too old: it lacks %s",
          wanted[i].name);
      return;
    }
    memcpy(wanted[i].function, &function, sizeof function);
  }
}

int graft_heif_load(char message[GRAFT_HEIF_MESSAGE_SIZE]) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  snprintf(message, GRAFT_HEIF_MESSAGE_SIZE, "%s", load_failure);
  return load_failure[0] == 0;
}

struct graft_heif_reader {
  struct heif_context *context;
  struct heif_image_handle *handle;
};

/// Whether there is no error; otherwise copies its message.
static int is_good(struct heif_error error, char *message) {
  if (error.code == 0) return 1;
  snprintf(
      message, GRAFT_HEIF_MESSAGE_SIZE, "%s",
      error.message != NULL && error.message[0] != 0 ? error.message : "its data are damaged");
  return 0;
}

graft_heif_reader *graft_heif_open(
    const uint8_t *bytes, size_t byte_count, char message[GRAFT_HEIF_MESSAGE_SIZE]) {
  graft_heif_reader *reader = calloc(1, sizeof *reader);
  if (reader != NULL) reader->context = heif.context_alloc();
  if (reader == NULL || reader->context == NULL) {
    free(reader);
    snprintf(message, GRAFT_HEIF_MESSAGE_SIZE, "out of memory");
    return NULL;
  }
  if (is_good(heif.context_read(reader->context, bytes, byte_count, NULL), message) &&
      is_good(heif.context_primary(reader->context, &reader->handle), message))
    return reader;
  graft_heif_close(reader);
  return NULL;
}

static uint32_t extent(int value) { return value > 0 ? (uint32_t)value : 0; }

uint32_t graft_heif_width(const graft_heif_reader *reader) {
  return extent(heif.handle_width(reader->handle));
}

uint32_t graft_heif_height(const graft_heif_reader *reader) {
  return extent(heif.handle_height(reader->handle));
}

int graft_heif_read_rgb(
    graft_heif_reader *reader, uint8_t *pixels, char message[GRAFT_HEIF_MESSAGE_SIZE]) {
  struct heif_image *image = NULL;
  if (!is_good(
          heif.decode(
              reader->handle, &image, heif_colorspace_rgb, heif_chroma_interleaved_rgb, NULL),
          message))
    return 0;
  const size_t width = graft_heif_width(reader), height = graft_heif_height(reader);
  int stride = 0;
  const uint8_t *plane = heif.plane(image, heif_channel_interleaved, &stride);
  const int is_sound = plane != NULL && stride > 0 && (size_t)stride >= width * 3 &&
                       extent(heif.image_width(image, heif_channel_interleaved)) == width &&
                       extent(heif.image_height(image, heif_channel_interleaved)) == height;
  if (is_sound)
    for (size_t y = 0; y < height; y++)
      memcpy(pixels + y * width * 3, plane + y * (size_t)stride, width * 3);
  else
    snprintf(message, GRAFT_HEIF_MESSAGE_SIZE, "its size is not what it says");
  heif.image_release(image);
  return is_sound;
}

void graft_heif_close(graft_heif_reader *reader) {
  if (reader->handle != NULL) heif.handle_release(reader->handle);
  heif.context_free(reader->context);
  free(reader);
}
