#ifndef GRAFT_ARGUMENTS_H
#define GRAFT_ARGUMENTS_H

/// The number of words of the command line, the program's own name included.
int graft_argument_count(void);

/// A word of the command line as the kernel gave it; NULL beyond the last.
const char *graft_argument(int index);

#endif
