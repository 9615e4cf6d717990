#ifndef KERNEL_BENCHMARK_PEAK_H
#define KERNEL_BENCHMARK_PEAK_H

#include <stddef.h>

/// Multiplies and adds in registers for so many rounds, with vectors of the instruction set.
void multiply_and_add(ptrdiff_t rounds);

/// Floating-point operations of a round.
ptrdiff_t operations_per_round(void);

#endif
