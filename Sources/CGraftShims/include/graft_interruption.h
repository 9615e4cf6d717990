#ifndef GRAFT_INTERRUPTION_H
#define GRAFT_INTERRUPTION_H

#include <stdbool.h>

/// From now on the first SIGINT or SIGTERM prints `first` to standard error, and the second one
/// prints `second` and ends the process with `status`. The texts must stay valid.
void graft_watch_interruption(const char *first, const char *second, int status);

/// Whether such a signal has arrived.
bool graft_interruption_is_requested(void);

#endif
