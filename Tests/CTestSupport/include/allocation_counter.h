#ifndef ALLOCATION_COUNTER_H
#define ALLOCATION_COUNTER_H

#include <stdint.h>

/// Calls of malloc, calloc, realloc and aligned allocation by this thread since it started.
int64_t allocation_counter_thread_count(void);

#endif
