#include "graft_cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

static uint64_t extended_control_register(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

int32_t graft_cpu_instruction_set(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return GRAFT_ISA_SCALAR;
  const int has_fma = (c >> 12) & 1, has_osxsave = (c >> 27) & 1, has_avx = (c >> 28) & 1,
            has_f16c = (c >> 29) & 1;
  if (!has_osxsave || !has_avx || !has_fma || !has_f16c) return GRAFT_ISA_SCALAR;
  const uint64_t state = extended_control_register();
  const uint64_t ymm_state = 0x6, zmm_state = 0xe6;
  if ((state & ymm_state) != ymm_state) return GRAFT_ISA_SCALAR;

  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return GRAFT_ISA_SCALAR;
  const int has_avx2 = (b >> 5) & 1;
  if (!has_avx2) return GRAFT_ISA_SCALAR;
  const unsigned avx512_bits = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F DQ BW VL
  const int has_avx512 = (b & avx512_bits) == avx512_bits && (state & zmm_state) == zmm_state;
  return has_avx512 ? GRAFT_ISA_AVX512 : GRAFT_ISA_AVX2;
}

int32_t graft_cpu_bf16_instructions(void) {
  unsigned a, b, c, d;
  if (graft_cpu_instruction_set() != GRAFT_ISA_AVX512) return GRAFT_BF16_NONE;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return GRAFT_BF16_NONE;
  return (a >> 5) & 1 ? GRAFT_BF16_AVX512 : GRAFT_BF16_NONE;
}

int32_t graft_cpu_vnni(void) {
  unsigned a, b, c, d;
  const int32_t instruction_set = graft_cpu_instruction_set();
  if (instruction_set < GRAFT_ISA_AVX2) return GRAFT_VNNI_NONE;
  int32_t vnni = GRAFT_VNNI_NONE;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && ((a >> 4) & 1)) vnni |= GRAFT_VNNI_AVX;
  if (instruction_set >= GRAFT_ISA_AVX512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
      ((c >> 11) & 1))
    vnni |= GRAFT_VNNI_AVX512;
  return vnni;
}

uint32_t graft_cpu_set_arithmetic(int32_t flushes_subnormals) {
  const uint32_t state = _mm_getcsr();
  const uint32_t raised = state & 0x3f, masks = 0x1f80;
  const uint32_t flushing = flushes_subnormals ? 0x8040 : 0;  // results, operands
  if (state != (raised | masks | flushing)) _mm_setcsr(raised | masks | flushing);
  return state;
}

void graft_cpu_restore_state(uint32_t state) { _mm_setcsr(state); }

void graft_cpu_pause(void) { _mm_pause(); }

#else

int32_t graft_cpu_instruction_set(void) { return GRAFT_ISA_SCALAR; }
int32_t graft_cpu_bf16_instructions(void) { return GRAFT_BF16_NONE; }
int32_t graft_cpu_vnni(void) { return GRAFT_VNNI_NONE; }
uint32_t graft_cpu_set_arithmetic(int32_t flushes_subnormals) {
  (void)flushes_subnormals;
  return 0;
}
void graft_cpu_restore_state(uint32_t state) { (void)state; }
void graft_cpu_pause(void) {}

#endif
