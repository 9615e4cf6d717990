#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include "graft_hdf5.h"

int32_t graft_hdf5_prepare(void) {
  // Otherwise the library would clean up at exit, including objects that a failed write left open.
  if (H5dont_atexit() < 0) H5Eclear2(H5E_DEFAULT);
  if (H5open() < 0) return -1;
  if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0) return -1;
  return H5PLset_loading_state(0) < 0 ? -1 : 0;
}

// Errors

typedef struct {
  char *text;
  size_t capacity;
} error_text;

/// Stores the description of the innermost error, which is the most specific one.
static herr_t keep_description(unsigned index, const H5E_error2_t *error, void *context) {
  (void)index;
  error_text *const target = context;
  if (target->text[0] != '\0' || !error->desc) return 0;
  strncpy(target->text, error->desc, target->capacity - 1);
  target->text[target->capacity - 1] = '\0';
  return 0;
}

void graft_hdf5_take_error(char *text, size_t capacity) {
  if (capacity == 0) return;
  text[0] = '\0';
  error_text target = {text, capacity};
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_description, &target);
  H5Eclear2(H5E_DEFAULT);
}

// Files and groups

int64_t graft_hdf5_create_file(const char *path) {
  return H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

int32_t graft_hdf5_finish_file(int64_t file) { return H5Fflush(file, H5F_SCOPE_GLOBAL); }

void graft_hdf5_close_file(int64_t file) { H5Fclose(file); }

int64_t graft_hdf5_open_root(int64_t file) { return H5Gopen2(file, "/", H5P_DEFAULT); }

void graft_hdf5_close_group(int64_t group) { H5Gclose(group); }

int64_t graft_hdf5_create_group(int64_t parent, const char *name) {
  return H5Gcreate2(parent, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

// Attributes and data sets

static herr_t write_attribute(
    hid_t object, const char *name, hid_t type, hid_t space, const void *values) {
  const hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const herr_t status = H5Awrite(attribute, type, values);
  return H5Aclose(attribute) < 0 ? -1 : status;
}

int32_t graft_hdf5_write_strings(
    int64_t object, const char *name, const char *const *texts, ptrdiff_t count) {
  const size_t text_count = count < 0 ? 1 : (size_t)count;
  size_t width = 1;
  for (size_t index = 0; index < text_count; ++index) {
    const size_t length = strlen(texts[index]);
    if (length > width) width = length;
  }
  char *const buffer = calloc(text_count + 1, width);
  if (!buffer) return -1;
  for (size_t index = 0; index < text_count; ++index) {
    memcpy(buffer + index * width, texts[index], strlen(texts[index]));
  }
  const hsize_t extent = text_count;
  const hid_t space = count < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &extent, NULL);
  const hid_t type = H5Tcopy(H5T_C_S1);
  herr_t status = -1;
  if (space >= 0 && type >= 0 && H5Tset_size(type, width) >= 0 &&
      H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0) {
    status = write_attribute(object, name, type, space, buffer);
  }
  if (type >= 0) H5Tclose(type);
  if (space >= 0) H5Sclose(space);
  free(buffer);
  return status;
}

int32_t graft_hdf5_write_floats(
    int64_t group, const char *name, int32_t rank, const uint64_t *extents, const float *values) {
  if (rank < 0 || rank > GRAFT_HDF5_MAX_RANK) return -1;
  hsize_t shape[GRAFT_HDF5_MAX_RANK];
  for (int32_t axis = 0; axis < rank; ++axis) shape[axis] = extents[axis];
  const hid_t space = H5Screate_simple(rank, shape, NULL);
  const hid_t links = H5Pcreate(H5P_LINK_CREATE);
  herr_t status = -1;
  if (space >= 0 && links >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0) {
    const hid_t dataset =
        H5Dcreate2(group, name, H5T_IEEE_F32LE, space, links, H5P_DEFAULT, H5P_DEFAULT);
    if (dataset >= 0) {
      status = H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
      if (H5Dclose(dataset) < 0) status = -1;
    }
  }
  if (links >= 0) H5Pclose(links);
  if (space >= 0) H5Sclose(space);
  return status;
}
