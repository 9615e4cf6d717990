#ifndef GRAFT_SIMILARITY_H
#define GRAFT_SIMILARITY_H

#include <stdint.h>

/// One row against others, in double precision. `rows` are [row_count][length].
typedef struct {
  /// The dot products.
  void (*_Nonnull products)(
      const double *_Nonnull x, const float *_Nonnull rows, int64_t row_count, int64_t length,
      double *_Nonnull results);
  /// The squares of the Euclidean distances.
  void (*_Nonnull squared_distances)(
      const double *_Nonnull x, const float *_Nonnull rows, int64_t row_count, int64_t length,
      double *_Nonnull results);
} graft_similarity_table;

#endif
