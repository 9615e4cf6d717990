#ifndef GRAFT_NORMALIZATION_H
#define GRAFT_NORMALIZATION_H

#include <stdint.h>

/// The sum of `count` floats.
double graft_sum(int32_t instruction_set, const float *x, int64_t count);

/// The sum of (x - mean)^2 over `count` floats.
double graft_sum_squared_deviations(
    int32_t instruction_set, const float *x, int64_t count, float mean);

/// y = (x - mean) * scale + shift. `y` may be `x`.
void graft_normalize(
    int32_t instruction_set, const float *x, float *y, int64_t count, float mean, float scale,
    float shift);

/// y[i] = (x[i] - mean) * scale * scales[i] + shifts[i]; `shifts` may be null. `y` may be `x`.
void graft_normalize_each(
    int32_t instruction_set, const float *x, float *y, int64_t count, float mean, float scale,
    const float *scales, const float *shifts);

/// y[i] = (x[i] - means[i]) * scales[i] + shifts[i]. `y` may be `x`.
void graft_normalize_elements(
    int32_t instruction_set, const float *x, float *y, int64_t count, const float *means,
    const float *scales, const float *shifts);

#endif
