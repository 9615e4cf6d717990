#ifndef GRAFT_MAPPING_H
#define GRAFT_MAPPING_H

#include <stddef.h>

// The places where files are mapped. If one of these files becomes shorter, the kernel sends SIGBUS
// to readers of the missing pages.

/// Adds the place of a mapped file. Returns its number, or -1 if there are already 4,096; errors of
/// that file are not reported then.
int graft_mapping_add(const void *start, size_t byte_count);

/// Removes a place by its number, before the file is unmapped.
void graft_mapping_remove(int number);

/// From now on, SIGBUS at one of these places writes `text` to standard error and ends the process
/// with `status`; elsewhere it has its previous effect. The text must stay valid.
void graft_mapping_watch(const char *text, int status);

#endif
