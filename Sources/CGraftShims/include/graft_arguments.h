#ifndef GRAFT_ARGUMENTS_H
#define GRAFT_ARGUMENTS_H

/// The number of words of the command line, including the program's name.
int graft_argument_count(void);

/// A word of the command line as passed by the kernel; NULL beyond the last.
const char *graft_argument(int index);

#endif
