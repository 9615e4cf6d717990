#include "graft_cpu.h"
#include "graft_optimizer.h"

#define SGD_MOMENTUM(name, target)                                                            \
  target static void name(graft_sgd_settings settings, const float *parameter,                \
                          const float *gradient, const float *velocity, float *new_parameter, \
                          float *new_velocity, int64_t count) {                               \
    const float rate = settings.learning_rate, momentum = settings.momentum;                  \
    const float kept = 1 - rate * settings.weight_decay;                                      \
    const float ahead = settings.nesterov ? momentum : 1;                                     \
    const float direct = settings.nesterov ? rate : 0;                                        \
    _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < count; i++) {      \
      const float g = gradient[i], p = parameter[i];                                          \
      const float v = momentum * velocity[i] - rate * g;                                      \
      new_velocity[i] = v;                                                                    \
      new_parameter[i] = p * kept + (ahead * v - direct * g);                                 \
    }                                                                                         \
  }

SGD_MOMENTUM(sgd_momentum_scalar, )
static const graft_optimizer_table table_scalar = {.sgd_momentum = sgd_momentum_scalar};

#if defined(__x86_64__)

SGD_MOMENTUM(sgd_momentum_avx2, __attribute__((target("avx2,fma"))))
static const graft_optimizer_table table_avx2 = {.sgd_momentum = sgd_momentum_avx2};

SGD_MOMENTUM(sgd_momentum_avx512, __attribute__((target("avx512f,avx512vl,fma"))))
static const graft_optimizer_table table_avx512 = {.sgd_momentum = sgd_momentum_avx512};

const graft_optimizer_table *graft_optimizer_kernels(int32_t isa) {
  if (isa >= GRAFT_ISA_AVX512) return &table_avx512;
  return isa >= GRAFT_ISA_AVX2 ? &table_avx2 : &table_scalar;
}

#else

const graft_optimizer_table *graft_optimizer_kernels(int32_t isa) {
  (void)isa;
  return &table_scalar;
}

#endif
