#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include "graft_cpu.h"

int32_t graft_cpu_affinity_count(void) {
#if defined(__linux__)
  // The system refuses a set that is too small for the machine.
  for (int limit = 1024; limit <= 1 << 18; limit *= 2) {
    cpu_set_t *set = CPU_ALLOC(limit);
    if (!set) break;
    const size_t byte_count = CPU_ALLOC_SIZE(limit);
    const int is_known = sched_getaffinity(0, byte_count, set) == 0;
    const int32_t count = is_known ? CPU_COUNT_S(byte_count, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : (int32_t)count;
}
