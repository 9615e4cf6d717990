#define _GNU_SOURCE

#include "graft_mapping.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

// A handler may not lock, and may call little else but write and _exit: the table has a fixed size
// and atomic entries.

enum { slot_count = 4096 };

static struct {
  // 0 if the slot is free.
  atomic_uintptr_t start;
  // 0 if the slot is not in use yet, or no longer.
  atomic_size_t byte_count;
} slots[slot_count];

// The first slot to try for the next mapping.
static atomic_uint next_slot;

int graft_mapping_add(const void *start, size_t byte_count) {
  for (unsigned tried = 0; tried < slot_count; tried++) {
    unsigned number = atomic_fetch_add(&next_slot, 1) % slot_count;
    uintptr_t free_slot = 0;
    if (atomic_compare_exchange_strong(&slots[number].start, &free_slot, (uintptr_t)start)) {
      // The kernel maps whole pages.
      size_t page = (size_t)sysconf(_SC_PAGESIZE);
      atomic_store(&slots[number].byte_count, (byte_count + page - 1) / page * page);
      return (int)number;
    }
  }
  return -1;
}

void graft_mapping_remove(int number) {
  if (number < 0 || number >= slot_count) return;
  atomic_store(&slots[number].byte_count, 0);
  atomic_store(&slots[number].start, 0);
}

static int is_mapped(uintptr_t address) {
  for (int number = 0; number < slot_count; number++) {
    size_t byte_count = atomic_load(&slots[number].byte_count);
    uintptr_t start = atomic_load(&slots[number].start);
    if (address >= start && address - start < byte_count) return 1;
  }
  return 0;
}

static const char *watch_text = "";
static int watch_status = 1;
static struct sigaction previous;

// Set by the first thread that reads a missing page; several threads may read the same file.
static atomic_flag is_ending = ATOMIC_FLAG_INIT;

static void handle(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  // Signals that another process sends have no address.
  if (info->si_code > 0 && is_mapped((uintptr_t)info->si_addr)) {
    // The first thread ends the process while the others wait.
    while (atomic_flag_test_and_set(&is_ending)) pause();
    ssize_t count = write(STDERR_FILENO, watch_text, strlen(watch_text));
    (void)count;
    _exit(watch_status);
  }
  // Delivered after this returns.
  sigaction(signal_number, &previous, NULL);
  raise(signal_number);
}

void graft_mapping_watch(const char *text, int status) {
  watch_text = text ? text : "";
  watch_status = status;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}
