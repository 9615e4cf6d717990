// Elementwise kernels over rows: see graft_binary.h.

#define ROW_LOOP(type, left_operand, right_operand, expression) \
  EACH_ELEMENT {                                                \
    const float l = left_operand, r = right_operand;            \
    result[i] = (type)(expression);                             \
  }

#define ROWS(name, type, expression)                                        \
  static void name##_vector_vector(                                         \
      const float *left, const float *right, type *result, int64_t count) { \
    ROW_LOOP(type, left[i], right[i], expression)                           \
  }                                                                         \
  static void name##_vector_scalar(                                         \
      const float *left, const float *right, type *result, int64_t count) { \
    const float scalar = *right;                                            \
    ROW_LOOP(type, left[i], scalar, expression)                             \
  }                                                                         \
  static void name##_scalar_vector(                                         \
      const float *left, const float *right, type *result, int64_t count) { \
    const float scalar = *left;                                             \
    ROW_LOOP(type, scalar, right[i], expression)                            \
  }

ROWS(add, float, l + r)
ROWS(subtract, float, l - r)
ROWS(multiply, float, (l * r))
ROWS(divide, float, l / r)
ROWS(minimum, float, ((l < r) | (l != l)) ? l : r)
ROWS(maximum, float, ((l > r) | (l != l)) ? l : r)
ROWS(prelu, float, l < 0 ? l * r : l)
ROWS(equal, uint8_t, l == r)
ROWS(greater, uint8_t, l > r)
ROWS(greater_or_equal, uint8_t, l >= r)
ROWS(less, uint8_t, l < r)
ROWS(less_or_equal, uint8_t, l <= r)

static void add_scaled(
    float *restrict result, float scale, const float *restrict values, int64_t count) {
  for (int64_t i = 0; i < count; i++) result[i] += scale * values[i];
}

static void select_32(
    const uint8_t *condition, const uint32_t *left, const uint32_t *right, uint32_t *result,
    int64_t count) {
  EACH_ELEMENT {
    const uint32_t l = left[i], r = right[i];
    result[i] = condition[i] ? l : r;
  }
}

static void relu_gradient(const float *left, const float *right, float *result, int64_t count) {
  ROW_LOOP(float, left[i], right[i], r > 0 ? l : 0)
}

static void clip_gradient(
    const float *left, const float *right, float low, float high, float *result,
    int64_t count){ROW_LOOP(float, left[i], right[i], ((r <= low) | (r >= high)) ? 0 : l)}

#define ENTRY(name) .name = {name##_vector_vector, name##_vector_scalar, name##_scalar_vector}

static const graft_binary_table binary_table = {
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
  .add_scaled = add_scaled,
  .select_32 = select_32,
  .relu_gradient = relu_gradient,
  .clip_gradient = clip_gradient,
};

#undef ENTRY
#undef ROWS
#undef ROW_LOOP
