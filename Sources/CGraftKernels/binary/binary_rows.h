// The kernels of one instruction set. Included once per set by binary.c, which defines
// TARGET (the function attribute) and NAME(function) (the name with the set's suffix).

// Loops carry no dependence: a result lies exactly on an operand or nowhere near it.
#define ROW_LOOP(type, left_operand, right_operand, expression)                   \
  {                                                                               \
    _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < count; i++) { \
      const float l = left_operand, r = right_operand;                            \
      result[i] = (type)(expression);                                             \
    }                                                                             \
  }

#define ROWS(name, type, expression)                                                        \
  TARGET static void NAME(name##_vector_vector)(const float *left, const float *right,      \
                                                type *result, int64_t count)                \
      ROW_LOOP(type, left[i], right[i], expression)                                         \
  TARGET static void NAME(name##_vector_scalar)(const float *left, const float *right,      \
                                                type *result, int64_t count) {              \
    const float scalar = *right;                                                            \
    ROW_LOOP(type, left[i], scalar, expression)                                             \
  }                                                                                         \
  TARGET static void NAME(name##_scalar_vector)(const float *left, const float *right,      \
                                                type *result, int64_t count) {              \
    const float scalar = *left;                                                             \
    ROW_LOOP(type, scalar, right[i], expression)                                            \
  }

ROWS(add, float, l + r)
ROWS(subtract, float, l - r)
ROWS(multiply, float, l *r)
ROWS(divide, float, l / r)
ROWS(minimum, float, ((l < r) | (l != l)) ? l : r)
ROWS(maximum, float, ((l > r) | (l != l)) ? l : r)
ROWS(prelu, float, l < 0 ? l * r : l)
ROWS(equal, uint8_t, l == r)
ROWS(greater, uint8_t, l > r)
ROWS(greater_or_equal, uint8_t, l >= r)
ROWS(less, uint8_t, l < r)
ROWS(less_or_equal, uint8_t, l <= r)

TARGET static void NAME(add_scaled)(float *restrict result, float scale,
                                    const float *restrict values, int64_t count) {
  for (int64_t i = 0; i < count; i++) result[i] += scale * values[i];
}

TARGET static void NAME(select_32)(const uint8_t *condition, const uint32_t *left,
                                   const uint32_t *right, uint32_t *result, int64_t count) {
  _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < count; i++) {
    const uint32_t l = left[i], r = right[i];
    result[i] = condition[i] ? l : r;
  }
}

TARGET static void NAME(relu_gradient)(const float *left, const float *right, float *result,
                                       int64_t count)
    ROW_LOOP(float, left[i], right[i], r > 0 ? l : 0)

TARGET static void NAME(clip_gradient)(const float *left, const float *right, float low, float high,
                                       float *result, int64_t count)
    ROW_LOOP(float, left[i], right[i], ((r <= low) | (r >= high)) ? 0 : l)

#define ENTRY(name) \
  .name = {NAME(name##_vector_vector), NAME(name##_vector_scalar), NAME(name##_scalar_vector)}

static const graft_binary_table NAME(table) = {
    ENTRY(add),
    ENTRY(subtract),
    ENTRY(multiply),
    ENTRY(divide),
    ENTRY(minimum),
    ENTRY(maximum),
    ENTRY(prelu),
    ENTRY(equal),
    ENTRY(greater),
    ENTRY(greater_or_equal),
    ENTRY(less),
    ENTRY(less_or_equal),
    .add_scaled = NAME(add_scaled),
    .select_32 = NAME(select_32),
    .relu_gradient = NAME(relu_gradient),
    .clip_gradient = NAME(clip_gradient),
};

#undef ENTRY
#undef ROWS
#undef ROW_LOOP
#undef NAME
#undef TARGET
