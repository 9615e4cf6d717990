#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "graft_cpu.h"

/// Processors that the cgroup's quota is worth, rounded up; 0 if there is no quota.
static int32_t cgroup_quota(void) {
  long long quota = 0, period = 0;
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "r");
  if (file) {
    const int found = fscanf(file, "%lld %lld", &quota, &period);
    fclose(file);
    return found == 2 && quota > 0 && period > 0 ? (int32_t)((quota + period - 1) / period) : 0;
  }
  file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "r");
  if (!file) return 0;
  if (fscanf(file, "%lld", &quota) != 1) quota = 0;
  fclose(file);
  file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "r");
  if (!file) return 0;
  if (fscanf(file, "%lld", &period) != 1) period = 0;
  fclose(file);
  return quota > 0 && period > 0 ? (int32_t)((quota + period - 1) / period) : 0;
}

int32_t graft_cpu_available_count(void) {
  int32_t count = 0;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  if (count < 1) count = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
  const int32_t quota = cgroup_quota();
  if (quota > 0 && quota < count) count = quota;
  return count < 1 ? 1 : count;
}
