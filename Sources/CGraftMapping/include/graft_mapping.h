#ifndef GRAFT_MAPPING_H
#define GRAFT_MAPPING_H

#include <stddef.h>

// The places where files are mapped, and what happens when one of these files becomes shorter: the
// kernel sends SIGBUS to whoever reads the pages that are gone.

/// Adds the place of a mapped file; returns its number, or -1 if 4,096 are there already; of that
/// file nothing is said then.
int graft_mapping_add(const void *start, size_t byte_count);

/// Removes a place by its number, before the file is unmapped.
void graft_mapping_remove(int number);

/// From now on, SIGBUS at one of these places writes `text` to standard error and ends the process
/// with `status`. Elsewhere it does what it did before. The text must stay valid.
void graft_mapping_watch(const char *text, int status);

#endif
