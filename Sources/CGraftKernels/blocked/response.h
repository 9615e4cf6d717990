#ifndef GRAFT_BLOCKED_RESPONSE_H
#define GRAFT_BLOCKED_RESPONSE_H

#include "graft_blocked.h"

/// The positions whose squares are in the scratch memory at a time: the channels of each one after
/// the other, with zeros before the first and after the last.
enum { RESPONSE_POSITIONS = 16 };

static inline ptrdiff_t whole_blocks(ptrdiff_t channels) {
  return (channels + GRAFT_BLOCK - 1) / GRAFT_BLOCK * GRAFT_BLOCK;
}

/// The floats of scratch memory per position.
static inline ptrdiff_t response_row_size(const graft_blocked_response *response) {
  return whole_blocks(response->before) + whole_blocks(response->channels) +
         whole_blocks(response->after);
}

#endif
