#ifndef GRAFT_CPU_H
#define GRAFT_CPU_H

#include <stdint.h>

/// Instruction sets, as kernels distinguish them. Higher ones include the lower.
enum {
  GRAFT_ISA_SCALAR = 0,
  GRAFT_ISA_AVX2 = 1,    // AVX2, FMA, F16C
  GRAFT_ISA_AVX512 = 2,  // F, BW, DQ, VL
  GRAFT_ISA_AMX = 3,     // AVX-512 and AMX-BF16 tiles
};

/// Instructions for bfloat16 besides those of an instruction set. Higher ones include the lower.
enum {
  GRAFT_BF16_NONE = 0,
  GRAFT_BF16_AVX512 = 1,  // AVX512-BF16: products of pairs
};

/// The highest of GRAFT_BF16_… that processor and operating system offer.
int32_t graft_cpu_bf16_instructions(void);

/// The highest instruction set that processor and operating system offer (CPUID and XGETBV).
int32_t graft_cpu_instruction_set(void);

/// Sets how this thread computes, whatever it did before: rounding to nearest, no traps, subnormal
/// numbers as IEEE 754 has them or, with `flushes_subnormals`, all as zero. Returns the state to
/// restore. Cheap where nothing changes.
uint32_t graft_cpu_set_arithmetic(int32_t flushes_subnormals);

/// Restores the floating-point state that `graft_cpu_set_arithmetic` returned.
void graft_cpu_restore_state(uint32_t state);

/// A hint that this thread spins.
void graft_cpu_pause(void);

/// How many processors this process may run on by its affinity; at least 1.
int32_t graft_cpu_affinity_count(void);

#endif
