#ifndef GRAFT_BLOCKED_WINDOWS_H
#define GRAFT_BLOCKED_WINDOWS_H

#include <stddef.h>

/// Some taps of a window, or some positions of an output.
typedef struct {
  ptrdiff_t first, past;
} index_range;

/// x / step, rounded up. Most steps are 1, and divisions are slow.
static inline ptrdiff_t steps_to(ptrdiff_t x, ptrdiff_t step) {
  return step == 1 ? x : (x + step - 1) / step;
}

/// The taps t of `count` for which start + t * step is in 0 ..< extent.
static inline index_range taps_inside(
    ptrdiff_t start, ptrdiff_t count, ptrdiff_t step, ptrdiff_t extent) {
  const ptrdiff_t first = start < 0 ? steps_to(-start, step) : 0;
  const ptrdiff_t reached = start < extent ? steps_to(extent - start, step) : 0;
  const ptrdiff_t past = reached < count ? reached : count;
  return (index_range){first, past > first ? past : first};
}

/// The outputs o of `count` for which o * stride + start and `reach` elements from there on are in
/// 0 ..< extent.
static inline index_range outputs_inside(
    ptrdiff_t start, ptrdiff_t stride, ptrdiff_t reach, ptrdiff_t extent, ptrdiff_t count) {
  ptrdiff_t first = start < 0 ? steps_to(-start, stride) : 0;
  ptrdiff_t past = extent - reach >= start ? (extent - reach - start) / stride + 1 : 0;
  past = past < count ? past : count;
  first = first < past ? first : past;
  return (index_range){first, past};
}

#endif
