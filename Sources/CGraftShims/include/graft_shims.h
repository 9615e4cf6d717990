#ifndef GRAFT_SHIMS_H
#define GRAFT_SHIMS_H

// One header per library that Swift cannot reach by itself.

#endif
