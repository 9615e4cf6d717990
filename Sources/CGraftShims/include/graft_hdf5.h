#ifndef GRAFT_HDF5_H
#define GRAFT_HDF5_H

#include <stddef.h>
#include <stdint.h>

// What reading weights needs of libhdf5, without its macros: its constants are expressions that
// initialise the library, which Swift does not import. Functions that return a status return a
// negative number on failure; `graft_hdf5_take_error` then says why. Objects are closed by the
// caller.

enum { GRAFT_HDF5_MAX_RANK = 32 };

/// What a link or an opened object is.
enum {
  GRAFT_HDF5_GROUP = 0,
  GRAFT_HDF5_DATASET = 1,
  GRAFT_HDF5_OTHER_OBJECT = 2,
};

enum {
  GRAFT_HDF5_HARD_LINK = 0,
  GRAFT_HDF5_SOFT_LINK = 1,
  GRAFT_HDF5_EXTERNAL_LINK = 2,
  GRAFT_HDF5_OTHER_LINK = 3,
};

enum {
  GRAFT_HDF5_FLOAT = 0,
  GRAFT_HDF5_SIGNED_INTEGER = 1,
  GRAFT_HDF5_UNSIGNED_INTEGER = 2,
  GRAFT_HDF5_OTHER_ELEMENT = 3,
};

enum {
  GRAFT_HDF5_COMPACT = 0,
  GRAFT_HDF5_CONTIGUOUS = 1,
  GRAFT_HDF5_CHUNKED = 2,
  GRAFT_HDF5_VIRTUAL = 3,
  GRAFT_HDF5_OTHER_LAYOUT = 4,
};

typedef struct {
  /// The layout decides whether the fields below `external_file_count` are filled in: they are not
  /// for virtual and external data sets, which would open other files.
  int32_t layout;
  int32_t external_file_count;
  /// `GRAFT_HDF5_FLOAT` is IEEE 754 only, of 2, 4 or 8 bytes; integers use all of their bits.
  int32_t element_kind;
  int32_t byte_width;
  int32_t is_big_endian;
  int32_t rank;
  uint64_t extents[GRAFT_HDF5_MAX_RANK];
  /// Where contiguous data begin in the file; -1 if nothing was written.
  int64_t file_offset;
  /// Bytes that the data take in the file.
  uint64_t stored_byte_count;
} graft_hdf5_dataset;

/// Makes the library quiet, and refuse plugins and links to other files. To be called before the
/// others, on each thread that calls them.
int32_t graft_hdf5_prepare(void);

/// Why the last call on this thread failed, as far as the library says; the text is taken away.
void graft_hdf5_take_error(char *text, size_t capacity);

/// Opens a file for reading; negative on failure.
int64_t graft_hdf5_open_file(const char *path);
void graft_hdf5_close_file(int64_t file);

/// Opens what is at the path `name` below a group; soft links are followed within the file.
/// `address` identifies the object there.
int64_t graft_hdf5_open_member(int64_t group, const char *name, int32_t *kind, uint64_t *address);
int64_t graft_hdf5_open_root(int64_t file, uint64_t *address);
int64_t graft_hdf5_open_address(int64_t file, uint64_t address);
void graft_hdf5_close_object(int64_t object);

/// Calls `visit` for each link of a group in the order of names, until it returns other than 0.
int32_t graft_hdf5_each_link(
    int64_t group, int32_t (*visit)(void *context, const char *name, int32_t kind), void *context);

/// Reads an attribute of strings of any kind into one buffer, each ended by a zero byte.
///
/// Returns 1 if it was read, 0 if there is none or it does not hold strings (an attribute of no
/// elements counts as strings: that is how empty lists are stored), negative on failure, or if the
/// strings take more than `budget` bytes. `text` is freed with `graft_hdf5_free`.
int32_t graft_hdf5_read_strings(
    int64_t object, const char *name, size_t budget, char **text, size_t *byte_count,
    size_t *string_count);
void graft_hdf5_free(void *memory);

int32_t graft_hdf5_describe(int64_t dataset, graft_hdf5_dataset *description);

/// Reads all elements, in the type of the file but little-endian. The destination must hold them
/// all.
int32_t graft_hdf5_read(int64_t dataset, void *destination);

/// Makes a file, or empties the one that is there.
int64_t graft_hdf5_create_file(const char *path);
/// Says whether everything has come to the file.
int32_t graft_hdf5_finish_file(int64_t file);
int64_t graft_hdf5_create_group(int64_t parent, const char *name);

/// Writes an attribute that is a list of texts, or a single one if `count` is negative; all have the length of the
/// longest and end with zero bytes.
int32_t graft_hdf5_write_strings(
    int64_t object, const char *name, const char *const *texts, ptrdiff_t count);

/// Writes a contiguous data set; groups in `name` that do not exist are made.
int32_t graft_hdf5_write_floats(
    int64_t group, const char *name, int32_t rank, const uint64_t *extents, const float *values);

#endif
