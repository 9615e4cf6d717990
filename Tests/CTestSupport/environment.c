// Tests neither use nor change the folder that a person keeps models in, and download nothing:
// before anything else runs, GRAFT_HOME is an empty folder, which goes away with the process.
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char home[4096];

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static void remove_home(void) { nftw(home, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

__attribute__((constructor)) static void prepare_environment(void) {
  setenv("GRAFT_OFFLINE", "1", 1);
  // Help texts have the width of a terminal.
  setenv("COLUMNS", "80", 1);
  // A process that a test started keeps its parent's.
  const char *given = getenv("GRAFT_HOME"), *parents = getenv("GRAFT_TEST_HOME");
  if (given && parents && strcmp(given, parents) == 0) return;
  const char *temporary = getenv("TMPDIR");
  snprintf(home, sizeof home, "%s/graft-tests-home-XXXXXX", temporary ? temporary : "/tmp");
  if (!mkdtemp(home)) {
    perror(home);
    abort();
  }
  setenv("GRAFT_HOME", home, 1);
  setenv("GRAFT_TEST_HOME", home, 1);
  atexit(remove_home);
}
