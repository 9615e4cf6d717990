#ifndef GRAFT_FREED_MEMORY_H
#define GRAFT_FREED_MEMORY_H

#include <stddef.h>

/// From now on, freed blocks of at least `byte_count` bytes are returned to the system.
///
/// Otherwise glibc keeps freed blocks of up to 32 MiB for reuse, but later blocks seldom fit, and
/// the process uses more memory than planned. Does nothing with other C libraries. Source:
/// https://man7.org/linux/man-pages/man3/mallopt.3.html
void graft_return_freed_memory(size_t byte_count);

#endif
