#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#include "graft_hdf5.h"

int32_t graft_hdf5_prepare(void) {
  // The library would otherwise tear itself down at exit, over objects that a damaged file left
  // open.
  if (H5dont_atexit() < 0) H5Eclear2(H5E_DEFAULT);
  if (H5open() < 0) return -1;
  if (H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0) return -1;
  if (H5PLset_loading_state(0) < 0) return -1;
  if (H5Lis_registered(H5L_TYPE_EXTERNAL) > 0 && H5Lunregister(H5L_TYPE_EXTERNAL) < 0) return -1;
  return 0;
}

// Errors

typedef struct {
  char *text;
  size_t capacity;
} error_text;

/// Keeps the description of the innermost error, which is the most specific one.
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

// Files, groups and links

int64_t graft_hdf5_open_file(const char *path) {
  return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

void graft_hdf5_close_file(int64_t file) { H5Fclose(file); }

static int64_t identify(hid_t object, int32_t *kind, uint64_t *address) {
  H5O_info_t info;
  if (object < 0) return -1;
  if (H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0) {
    H5Oclose(object);
    return -1;
  }
  *kind = info.type == H5O_TYPE_GROUP     ? GRAFT_HDF5_GROUP
          : info.type == H5O_TYPE_DATASET ? GRAFT_HDF5_DATASET
                                          : GRAFT_HDF5_OTHER_OBJECT;
  *address = info.addr;
  return object;
}

int64_t graft_hdf5_open_member(int64_t group, const char *name, int32_t *kind, uint64_t *address) {
  return identify(H5Oopen(group, name, H5P_DEFAULT), kind, address);
}

int64_t graft_hdf5_open_root(int64_t file, uint64_t *address) {
  int32_t kind = GRAFT_HDF5_OTHER_OBJECT;
  return identify(H5Oopen(file, "/", H5P_DEFAULT), &kind, address);
}

int64_t graft_hdf5_open_address(int64_t file, uint64_t address) {
  return H5Oopen_by_addr(file, address);
}

void graft_hdf5_close_object(int64_t object) { H5Oclose(object); }

typedef struct {
  int32_t (*visit)(void *context, const char *name, int32_t kind);
  void *context;
} link_visitor;

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  (void)group;
  const link_visitor *const visitor = context;
  const int32_t kind = info->type == H5L_TYPE_HARD       ? GRAFT_HDF5_HARD_LINK
                       : info->type == H5L_TYPE_SOFT     ? GRAFT_HDF5_SOFT_LINK
                       : info->type == H5L_TYPE_EXTERNAL ? GRAFT_HDF5_EXTERNAL_LINK
                                                         : GRAFT_HDF5_OTHER_LINK;
  return visitor->visit(visitor->context, name, kind) == 0 ? 0 : 1;
}

int32_t graft_hdf5_each_link(
    int64_t group, int32_t (*visit)(void *context, const char *name, int32_t kind), void *context) {
  link_visitor visitor = {visit, context};
  hsize_t position = 0;
  const herr_t status =
      H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &position, visit_link, &visitor);
  return status < 0 ? -1 : 0;
}

// Attributes

void graft_hdf5_free(void *memory) { free(memory); }

/// Joins `count` strings, each ended by a zero byte.
static int32_t join(
    const char *const *strings, size_t count, size_t longest, size_t budget, char **text,
    size_t *byte_count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t length = strings[i] ? strnlen(strings[i], longest) : 0;
    if (length >= budget - total) return -1;
    total += length + 1;
  }
  char *const joined = malloc(total ? total : 1);
  if (!joined) return -1;
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t length = strings[i] ? strnlen(strings[i], longest) : 0;
    if (length) memcpy(joined + at, strings[i], length);
    at += length;
    joined[at++] = '\0';
  }
  *text = joined;
  *byte_count = total;
  return 1;
}

static int32_t read_variable_strings(
    hid_t attribute, hid_t type, hid_t space, size_t count, size_t budget, char **text,
    size_t *byte_count) {
  int32_t status = -1;
  char **const strings = calloc(count, sizeof *strings);
  const hid_t memory_type = H5Tcopy(H5T_C_S1);
  if (strings && memory_type >= 0 && H5Tset_size(memory_type, H5T_VARIABLE) >= 0 &&
      H5Tset_cset(memory_type, H5Tget_cset(type)) >= 0) {
    if (H5Aread(attribute, memory_type, strings) >= 0) {
      status = join((const char *const *)strings, count, budget, budget, text, byte_count);
    }
    H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, strings);
  }
  if (memory_type >= 0) H5Tclose(memory_type);
  free(strings);
  return status;
}

static int32_t read_fixed_strings(
    hid_t attribute, hid_t type, size_t count, size_t budget, char **text, size_t *byte_count) {
  const size_t width = H5Tget_size(type);
  if (width == 0 || count > budget / width) return -1;
  int32_t status = -1;
  char *const bytes = calloc(count, width);
  const char **const strings = calloc(count, sizeof *strings);
  if (bytes && strings && H5Aread(attribute, type, bytes) >= 0) {
    for (size_t i = 0; i < count; i++) strings[i] = bytes + i * width;
    status = join(strings, count, width, budget, text, byte_count);
  }
  free(strings);
  free(bytes);
  return status;
}

static int32_t read_attribute_strings(
    hid_t attribute, size_t budget, char **text, size_t *byte_count, size_t *string_count) {
  int32_t status = -1;
  const hid_t type = H5Aget_type(attribute);
  const hid_t space = H5Aget_space(attribute);
  const hssize_t count = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  if (type >= 0 && count == 0) {
    *text = NULL;
    *byte_count = 0;
    *string_count = 0;
    status = 1;
  } else if (type >= 0 && count > 0 && H5Tget_class(type) != H5T_STRING) {
    status = 0;
  } else if (type >= 0 && count > 0 && (uint64_t)count <= budget / sizeof(char *)) {
    *string_count = (size_t)count;
    status = H5Tis_variable_str(type) > 0
                 ? read_variable_strings(
                       attribute, type, space, (size_t)count, budget, text, byte_count)
                 : read_fixed_strings(attribute, type, (size_t)count, budget, text, byte_count);
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

int32_t graft_hdf5_read_strings(
    int64_t object, const char *name, size_t budget, char **text, size_t *byte_count,
    size_t *string_count) {
  const htri_t exists = H5Aexists(object, name);
  if (exists <= 0) return exists < 0 ? -1 : 0;
  const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) return -1;
  const int32_t status =
      read_attribute_strings(attribute, budget, text, byte_count, string_count);
  H5Aclose(attribute);
  return status;
}

// Data sets

/// Whether a floating-point type is IEEE 754's binary16, binary32 or binary64.
static int is_ieee(hid_t type, size_t width) {
  size_t sign, exponent, exponent_size, mantissa, mantissa_size;
  if (H5Tget_fields(type, &sign, &exponent, &exponent_size, &mantissa, &mantissa_size) < 0) {
    return 0;
  }
  const size_t expected = width == 2 ? 5 : width == 4 ? 8 : width == 8 ? 11 : 0;
  return expected != 0 && H5Tget_norm(type) == H5T_NORM_IMPLIED && mantissa == 0 &&
         exponent_size == expected && mantissa_size == 8 * width - 1 - expected &&
         exponent == mantissa_size && sign == 8 * width - 1 &&
         H5Tget_ebias(type) == ((size_t)1 << (expected - 1)) - 1;
}

static int describe_type(hid_t type, graft_hdf5_dataset *description) {
  const H5T_class_t class = H5Tget_class(type);
  const size_t width = H5Tget_size(type);
  description->element_kind = GRAFT_HDF5_OTHER_ELEMENT;
  if (width == 0 || class == H5T_NO_CLASS) return -1;
  if (class != H5T_FLOAT && class != H5T_INTEGER) return 0;
  const H5T_order_t order = H5Tget_order(type);
  const int is_plain = width <= 8 && (order == H5T_ORDER_LE || order == H5T_ORDER_BE) &&
                       H5Tget_precision(type) == 8 * width && H5Tget_offset(type) == 0;
  if (!is_plain || (class == H5T_FLOAT && !is_ieee(type, width))) return 0;
  description->byte_width = (int32_t)width;
  description->is_big_endian = order == H5T_ORDER_BE;
  description->element_kind = class == H5T_FLOAT                     ? GRAFT_HDF5_FLOAT
                              : H5Tget_sign(type) == H5T_SGN_NONE ? GRAFT_HDF5_UNSIGNED_INTEGER
                                                                    : GRAFT_HDF5_SIGNED_INTEGER;
  return 0;
}

static int describe_space(hid_t space, graft_hdf5_dataset *description) {
  hsize_t extents[H5S_MAX_RANK];
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return -1;
  const int rank = H5Sget_simple_extent_dims(space, extents, NULL);
  if (rank < 0 || rank > GRAFT_HDF5_MAX_RANK) return -1;
  description->rank = rank;
  for (int axis = 0; axis < rank; axis++) description->extents[axis] = extents[axis];
  return 0;
}

static int describe_storage(int64_t dataset, graft_hdf5_dataset *description) {
  const hid_t list = H5Dget_create_plist(dataset);
  if (list < 0) return -1;
  const H5D_layout_t layout = H5Pget_layout(list);
  const int external = H5Pget_external_count(list);
  H5Pclose(list);
  if (external < 0) return -1;
  description->external_file_count = external;
  description->layout = layout == H5D_COMPACT      ? GRAFT_HDF5_COMPACT
                        : layout == H5D_CONTIGUOUS ? GRAFT_HDF5_CONTIGUOUS
                        : layout == H5D_CHUNKED    ? GRAFT_HDF5_CHUNKED
                        : layout == H5D_VIRTUAL    ? GRAFT_HDF5_VIRTUAL
                                                   : GRAFT_HDF5_OTHER_LAYOUT;
  return 0;
}

int32_t graft_hdf5_describe(int64_t dataset, graft_hdf5_dataset *description) {
  memset(description, 0, sizeof *description);
  description->file_offset = -1;
  if (describe_storage(dataset, description) < 0) return -1;
  if (description->layout == GRAFT_HDF5_VIRTUAL || description->external_file_count > 0) return 0;
  description->stored_byte_count = H5Dget_storage_size(dataset);
  if (description->layout == GRAFT_HDF5_CONTIGUOUS) {
    const haddr_t offset = H5Dget_offset(dataset);
    if (offset != HADDR_UNDEF && offset <= INT64_MAX) description->file_offset = (int64_t)offset;
  }
  const hid_t type = H5Dget_type(dataset);
  const hid_t space = H5Dget_space(dataset);
  int status = -1;
  if (type >= 0 && space >= 0) {
    status = describe_type(type, description) < 0 ? -1 : describe_space(space, description);
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return status;
}

int32_t graft_hdf5_read(int64_t dataset, void *destination) {
  int32_t status = -1;
  const hid_t type = H5Dget_type(dataset);
  const hid_t memory_type = type < 0 ? -1 : H5Tcopy(type);
  if (memory_type >= 0 && H5Tset_order(memory_type, H5T_ORDER_LE) >= 0 &&
      H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, destination) >= 0) {
    status = 0;
  }
  if (memory_type >= 0) H5Tclose(memory_type);
  if (type >= 0) H5Tclose(type);
  return status;
}
