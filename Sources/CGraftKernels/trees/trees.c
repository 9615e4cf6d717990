#include "graft_trees.h"

#include <stddef.h>
#include <string.h>

#include "../targets/targets.h"

/// Scores that are NaN have no vote yet.
GRAFT_INLINE double aggregated(double score, double weight, int32_t aggregation) {
  if (aggregation == GRAFT_TREES_SUM) return score + weight;
  if (aggregation == GRAFT_TREES_MIN) return score <= weight ? score : weight;
  return score >= weight ? score : weight;
}

GRAFT_INLINE void take_votes(const graft_tree_votes *votes, int64_t leaf, double *scores) {
  if (votes->starts) {
    for (int64_t vote = votes->starts[leaf]; vote < votes->starts[leaf + 1]; vote++) {
      double *score = scores + (votes->targets ? votes->targets[vote] : 0);
      *score = aggregated(*score, votes->weights[vote], votes->aggregation);
    }
    return;
  }
  if (votes->targets || votes->target_count == 1) {
    double *score = scores + (votes->targets ? votes->targets[leaf] : 0);
    *score = aggregated(*score, votes->weights[leaf], votes->aggregation);
    return;
  }
  const double *weights = votes->weights + leaf * votes->target_count;
  const int64_t count = votes->target_count;
  if (votes->aggregation == GRAFT_TREES_SUM) {
    EACH_ELEMENT scores[i] += weights[i];
  } else {
    for (int64_t i = 0; i < count; i++)
      scores[i] = aggregated(scores[i], weights[i], votes->aggregation);
  }
}

/// Takes the votes of a leaf for each row of a panel.
GRAFT_INLINE void take_panel_votes(
    const graft_tree_votes *votes, const int64_t *leaves, double *scores) {
  if (!votes->starts && votes->target_count == 1 && votes->aggregation == GRAFT_TREES_SUM) {
    for (int row = 0; row < GRAFT_TREE_ROWS; row++) scores[row] += votes->weights[leaves[row]];
    return;
  }
  for (int row = 0; row < GRAFT_TREE_ROWS; row++)
    take_votes(votes, leaves[row], scores + row * votes->target_count);
}

#define NODE graft_tree_node
#define KEY int32_t
#define NAMED(x) x##_narrow
#include "walk_template.h"
#undef NODE
#undef KEY
#undef NAMED

#define NODE graft_wide_tree_node
#define KEY int64_t
#define NAMED(x) x##_wide
#include "walk_template.h"
#undef NODE
#undef KEY
#undef NAMED

void graft_trees_evaluate(
    const graft_tree *trees, int64_t tree_count, const void *nodes, const void *panels,
    int64_t panel_count, int64_t column_count, int32_t is_wide, const graft_tree_votes *votes,
    double *scores) {
  if (is_wide)
    evaluate_wide(trees, tree_count, nodes, panels, panel_count, column_count, votes, scores);
  else
    evaluate_narrow(trees, tree_count, nodes, panels, panel_count, column_count, votes, scores);
}

void graft_trees_evaluate_row(
    const graft_tree *trees, int64_t tree_count, const void *nodes, const void *panel,
    int32_t is_wide, const graft_tree_votes *votes, double *scores) {
  if (is_wide)
    evaluate_row_wide(trees, tree_count, nodes, panel, votes, scores);
  else
    evaluate_row_narrow(trees, tree_count, nodes, panel, votes, scores);
}

void graft_trees_keys_f32(
    const float *x, int64_t stride, int64_t count, int32_t nan_is_lowest, int32_t *keys) {
  const int32_t nan_key = nan_is_lowest ? INT32_MIN : INT32_MAX;
  for (int64_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, x + i * stride, sizeof bits);
    // Negative numbers count backwards.
    const int32_t key = bits < 0 ? INT32_MIN - bits : bits;
    keys[i] = (bits & INT32_MAX) > 0x7f800000 ? nan_key : key;
  }
}

void graft_trees_keys_f64(
    const double *x, int64_t stride, int64_t count, int32_t nan_is_lowest, int64_t *keys) {
  const int64_t nan_key = nan_is_lowest ? INT64_MIN : INT64_MAX;
  for (int64_t i = 0; i < count; i++) {
    int64_t bits;
    memcpy(&bits, x + i * stride, sizeof bits);
    const int64_t key = bits < 0 ? INT64_MIN - bits : bits;
    keys[i] = (bits & INT64_MAX) > 0x7ff0000000000000 ? nan_key : key;
  }
}
