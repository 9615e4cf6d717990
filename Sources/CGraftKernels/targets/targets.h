#ifndef GRAFT_TARGETS_H
#define GRAFT_TARGETS_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "graft_kernels.h"

// The instruction sets that kernels are compiled for. Each has a file in this folder, which
// compiles all templates once.

#if defined(__x86_64__)
#define GRAFT_TARGET_AVX2 "avx2,fma,f16c"
#define GRAFT_TARGET_AVX512 GRAFT_TARGET_AVX2 ",avx512f,avx512bw,avx512dq,avx512vl"
#define GRAFT_TARGET_AVX_VNNI GRAFT_TARGET_AVX2 ",avxvnni"
#define GRAFT_TARGET_AVX512_VNNI GRAFT_TARGET_AVX512 ",avx512vnni"
#define GRAFT_TARGET_AVX512_BF16 GRAFT_TARGET_AVX512 ",avx512bf16"

extern const graft_kernels graft_kernels_avx2, graft_kernels_avx512;
extern const graft_blocked_product graft_blocked_avx512_bf16;
extern const graft_integer_product graft_integer_product_avx_vnni,
    graft_integer_product_avx512_vnni;
#endif

extern const graft_kernels graft_kernels_scalar;
extern const graft_integer_product graft_integer_product_portable;

/// A function that is inlined wherever it is called.
#define GRAFT_INLINE static inline __attribute__((always_inline, unused))

/// A loop over `count` elements without dependences: an output is exactly an input, or does not
/// overlap it.
#define EACH_ELEMENT \
  _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < count; i++)

#endif
