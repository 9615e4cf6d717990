#ifndef GRAFT_CPU_H
#define GRAFT_CPU_H

#include <stdint.h>

/// Families of instruction sets. Within one, a set includes those of lower numbers.
enum { GRAFT_FAMILY_X86 = 1 << 8 };

/// Instruction sets, as kernels distinguish them. All include the scalar one, which is every
/// processor's.
enum {
  GRAFT_ISA_SCALAR = 0,
  GRAFT_ISA_AVX2 = GRAFT_FAMILY_X86 + 1,    // AVX2, FMA, F16C
  GRAFT_ISA_AVX512 = GRAFT_FAMILY_X86 + 2,  // F, BW, DQ, VL
};

/// Whether a processor with `instruction_set` can do all that `other` has.
static inline int graft_cpu_includes(int32_t instruction_set, int32_t other) {
  if (other == GRAFT_ISA_SCALAR) return 1;
  return instruction_set >> 8 == other >> 8 && instruction_set >= other;
}

/// Instructions for bfloat16 besides those of an instruction set. Higher ones include the lower.
enum {
  GRAFT_BF16_NONE = 0,
  GRAFT_BF16_AVX512 = 1,  // AVX512-BF16: products of pairs
};

/// The highest of GRAFT_BF16_… that processor and operating system offer.
int32_t graft_cpu_bf16_instructions(void);

/// The best instruction set that processor and operating system offer (CPUID and XGETBV).
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
