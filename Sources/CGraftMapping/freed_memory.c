#include "graft_freed_memory.h"

#include <limits.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

void graft_return_freed_memory(size_t byte_count) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, byte_count < INT_MAX ? (int)byte_count : INT_MAX);
#else
  (void)byte_count;
#endif
}
