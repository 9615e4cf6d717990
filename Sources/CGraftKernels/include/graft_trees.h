#ifndef GRAFT_TREES_H
#define GRAFT_TREES_H

#include <stdint.h>

// Ensembles of decision trees.
//
// Rows are walked in panels of GRAFT_TREE_ROWS, as [columns][GRAFT_TREE_ROWS] keys: integers in the
// order of the numbers that they stand for. Column 0 has the lowest key in all rows.
//
// A node sends a row whose key in `column` is at most `threshold` to the node `left`, counted from
// the tree's first one, and all others to the node after that. A leaf tests column 0 and is its own
// `left`, so that rows stay there; its threshold is its number.

enum { GRAFT_TREE_ROWS = 8 };

/// A node of 32-bit keys.
typedef struct {
  int32_t threshold;
  uint16_t column, left;
} graft_tree_node;

/// A node of 64-bit keys, or of large trees.
typedef struct {
  int64_t threshold;
  uint32_t column, left;
} graft_wide_tree_node;

typedef struct {
  /// The tree's first node.
  int64_t first;
  /// Where rows start, counted from the first node.
  uint32_t root;
  /// The steps of the longest way to a leaf.
  uint32_t depth;
} graft_tree;

/// What the leaves add to the scores of a row. Without `starts`, leaf n has one vote, number n, if
/// `targets` is there or there is one target; otherwise it has a vote for each target in order.
typedef struct {
  /// The first vote of each leaf, and the number of all votes.
  const int64_t *_Nullable starts;
  const int32_t *_Nullable targets;
  const double *_Nonnull weights;
  int64_t target_count;
  /// GRAFT_TREES_…
  int32_t aggregation;
} graft_tree_votes;

/// How scores and weights become scores. The least and the largest start as NaN.
enum { GRAFT_TREES_SUM = 0, GRAFT_TREES_MIN = 1, GRAFT_TREES_MAX = 2 };

/// Takes the votes of all trees, in order, for all rows of `panel_count` panels.
///
/// `nodes` and `panels` have 64-bit keys if `is_wide`. `scores` are
/// [panel_count][GRAFT_TREE_ROWS][target_count].
void graft_trees_evaluate(
    const graft_tree *_Nonnull trees, int64_t tree_count, const void *_Nonnull nodes,
    const void *_Nonnull panels, int64_t panel_count, int64_t column_count, int32_t is_wide,
    const graft_tree_votes *_Nonnull votes, double *_Nonnull scores);

/// As `graft_trees_evaluate`, with the same result, for the first row of one panel: walks several
/// trees at once.
void graft_trees_evaluate_row(
    const graft_tree *_Nonnull trees, int64_t tree_count, const void *_Nonnull nodes,
    const void *_Nonnull panel, int32_t is_wide, const graft_tree_votes *_Nonnull votes,
    double *_Nonnull scores);

/// Writes keys of `count` numbers that are `stride` apart, in the order of the numbers: 0 for both
/// zeros; the lowest key, or the highest one, for NaN.
void graft_trees_keys_f32(
    const float *_Nonnull x, int64_t stride, int64_t count, int32_t nan_is_lowest,
    int32_t *_Nonnull keys);
void graft_trees_keys_f64(
    const double *_Nonnull x, int64_t stride, int64_t count, int32_t nan_is_lowest,
    int64_t *_Nonnull keys);

#endif
