// Vectors of GRAFT_LANES floats, of their bits, and of 16-bit elements.

#include <stdint.h>
#include <string.h>

#define GRAFT_INLINE static inline __attribute__((always_inline, unused))

typedef float floats __attribute__((vector_size(GRAFT_LANES * 4)));
typedef uint32_t words __attribute__((vector_size(GRAFT_LANES * 4)));
typedef uint16_t halves __attribute__((vector_size(GRAFT_LANES * 2)));
