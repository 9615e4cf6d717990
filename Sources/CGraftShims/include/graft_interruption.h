#ifndef GRAFT_INTERRUPTION_H
#define GRAFT_INTERRUPTION_H

#include <stdbool.h>

/// From now on the first SIGINT or SIGTERM prints `first` on standard error, and the second one
/// prints `second` and ends the process with `status`. The texts have to stay valid.
void graft_watch_interruption(const char *first, const char *second, int status);

/// Whether a signal came since then.
bool graft_interruption_is_requested(void);

#endif
