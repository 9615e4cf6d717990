#include "response.h"

ptrdiff_t graft_blocked_response_scratch_count(const graft_blocked_response *response) {
  return RESPONSE_POSITIONS * response_row_size(response);
}
