#ifndef GRAFT_HDF5_H
#define GRAFT_HDF5_H

#include <stddef.h>
#include <stdint.h>

// What writing weights needs of libhdf5, without its macros: its constants are expressions that
// initialise the library, which Swift does not import. Functions that return a status or an
// identifier return a negative number on failure; `graft_hdf5_take_error` then says why.

enum { GRAFT_HDF5_MAX_RANK = 32 };

/// Makes the library quiet, and refuse plugins. To be called before the others, on each thread that
/// calls them.
int32_t graft_hdf5_prepare(void);

/// Why the last call on this thread failed, as far as the library says; the text is taken away.
void graft_hdf5_take_error(char *text, size_t capacity);

/// Makes a file, or empties the one that is there.
int64_t graft_hdf5_create_file(const char *path);
/// Returns whether everything was written to the file.
int32_t graft_hdf5_finish_file(int64_t file);
void graft_hdf5_close_file(int64_t file);

int64_t graft_hdf5_open_root(int64_t file);
int64_t graft_hdf5_create_group(int64_t parent, const char *name);
void graft_hdf5_close_group(int64_t group);

/// Writes an attribute that is a list of texts, or a single one if `count` is negative; all have
/// the length of the longest and end with zero bytes.
int32_t graft_hdf5_write_strings(
    int64_t object, const char *name, const char *const *texts, ptrdiff_t count);

/// Writes a contiguous data set; groups in `name` that do not exist are made.
int32_t graft_hdf5_write_floats(
    int64_t group, const char *name, int32_t rank, const uint64_t *extents, const float *values);

#endif
