#ifndef GRAFT_FREED_MEMORY_H
#define GRAFT_FREED_MEMORY_H

#include <stddef.h>

/// From now on, blocks of at least `byte_count` bytes go back to the system when they are freed.
///
/// Without this, glibc keeps freed blocks of up to 32 MiB for later ones, which seldom fit into
/// them: the process then takes more memory than was planned for it. Does nothing where the C
/// library is not glibc. Source: https://man7.org/linux/man-pages/man3/mallopt.3.html
void graft_return_freed_memory(size_t byte_count);

#endif
