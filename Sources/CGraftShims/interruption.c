#define _GNU_SOURCE

#include "graft_interruption.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

// A handler needs no thread, which the system could refuse. It may call little else but write and
// _exit.

static volatile sig_atomic_t is_requested = 0;
static const char *first_text = "";
static const char *second_text = "";
static int exit_status = 1;

static void say(const char *text) {
  // A failure to write to standard error is ignored.
  ssize_t count = write(STDERR_FILENO, text, strlen(text));
  (void)count;
}

static void handle(int signal_number) {
  (void)signal_number;
  int saved = errno;
  if (is_requested) {
    say(second_text);
    // Exit handlers would free objects that other threads still use.
    _exit(exit_status);
  }
  is_requested = 1;
  say(first_text);
  errno = saved;
}

void graft_watch_interruption(const char *first, const char *second, int status) {
  first_text = first ? first : "";
  second_text = second ? second : "";
  exit_status = status;
  is_requested = 0;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handle;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  // One after the other, never nested.
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

bool graft_interruption_is_requested(void) { return is_requested != 0; }
