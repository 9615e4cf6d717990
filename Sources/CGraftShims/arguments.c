#include "graft_arguments.h"

#include <stddef.h>

// Swift's CommandLine reads /proc/self/cmdline, which some systems lack.

static int count = 0;
static char **words = NULL;

// The C library passes the arguments of main to constructors too.
__attribute__((constructor)) static void keep_arguments(int argc, char **argv, char **environment) {
  (void)environment;
  count = argc;
  words = argv;
}

int graft_argument_count(void) { return count; }

const char *graft_argument(int index) { return index >= 0 && index < count ? words[index] : NULL; }
