#ifndef GRAFT_CPU_H
#define GRAFT_CPU_H

#include <stdint.h>

/// Families of instruction sets. Within a family, a set includes those with lower numbers.
enum { GRAFT_FAMILY_X86 = 1 << 8 };

/// The instruction sets that kernels distinguish. All include the scalar one, which every processor
/// has.
enum {
  GRAFT_ISA_SCALAR = 0,
  GRAFT_ISA_AVX2 = GRAFT_FAMILY_X86 + 1,    // AVX2, FMA, F16C
  GRAFT_ISA_AVX512 = GRAFT_FAMILY_X86 + 2,  // F, BW, DQ, VL
};

/// Whether `instruction_set` includes all of `other`.
static inline int graft_cpu_includes(int32_t instruction_set, int32_t other) {
  if (other == GRAFT_ISA_SCALAR) return 1;
  return instruction_set >> 8 == other >> 8 && instruction_set >= other;
}

/// Instructions for bfloat16, in addition to an instruction set. Higher ones include the lower.
enum {
  GRAFT_BF16_NONE = 0,
  GRAFT_BF16_AVX512 = 1,  // AVX512-BF16: products of pairs
};

/// The highest GRAFT_BF16_… that the processor and the operating system support.
int32_t graft_cpu_bf16_instructions(void);

/// Instructions for products of bytes in groups of four, in addition to an instruction set: the sum
/// of these.
enum {
  GRAFT_VNNI_NONE = 0,
  GRAFT_VNNI_AVX = 1,       // AVX-VNNI: vectors of 256 bits
  GRAFT_VNNI_AVX512 = 2,    // AVX512-VNNI
  GRAFT_VNNI_PORTABLE = 4,  // the same products without such instructions, for tests
};

/// The GRAFT_VNNI_… that the processor and the operating system support.
int32_t graft_cpu_vnni(void);

/// The best instruction set that the processor and the operating system support (CPUID and XGETBV).
int32_t graft_cpu_instruction_set(void);

/// Sets this thread's floating-point state: rounding to nearest, no traps, subnormal numbers as in
/// IEEE 754 or, with `flushes_subnormals`, treated as zero. Returns the state to restore. Cheap if
/// nothing changes.
uint32_t graft_cpu_set_arithmetic(int32_t flushes_subnormals);

/// Restores the floating-point state that `graft_cpu_set_arithmetic` returned.
void graft_cpu_restore_state(uint32_t state);

/// Tells the processor that this thread spins.
void graft_cpu_pause(void);

/// The number of processors that this process's affinity allows; at least 1.
int32_t graft_cpu_affinity_count(void);

#endif
