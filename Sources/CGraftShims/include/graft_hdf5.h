#ifndef GRAFT_HDF5_H
#define GRAFT_HDF5_H

#include <stddef.h>
#include <stdint.h>

// The functions of libhdf5 that writing weights needs, without its macros: its constants are
// expressions that initialise the library, which Swift does not import. Functions that return a
// status or an identifier return a negative number on failure; `graft_hdf5_take_error` then returns
// the reason.

enum { GRAFT_HDF5_MAX_RANK = 32 };

/// Silences the library and disables plugins. Must be called first, on each thread that uses these
/// functions.
int32_t graft_hdf5_prepare(void);

/// The reason why the last call on this thread failed, as stated by the library; clears it.
void graft_hdf5_take_error(char *text, size_t capacity);

/// Creates or truncates a file.
int64_t graft_hdf5_create_file(const char *path);
/// Returns whether everything was written to the file.
int32_t graft_hdf5_finish_file(int64_t file);
void graft_hdf5_close_file(int64_t file);

int64_t graft_hdf5_open_root(int64_t file);
int64_t graft_hdf5_create_group(int64_t parent, const char *name);
void graft_hdf5_close_group(int64_t group);

/// Writes an attribute: a list of texts, or a single one if `count` is negative. All texts have the
/// length of the longest and end with zero bytes.
int32_t graft_hdf5_write_strings(
    int64_t object, const char *name, const char *const *texts, ptrdiff_t count);

/// Writes a contiguous data set; creates missing groups in `name`.
int32_t graft_hdf5_write_floats(
    int64_t group, const char *name, int32_t rank, const uint64_t *extents, const float *values);

#endif
