// Walking trees of one kind of nodes. The file that includes this defines
//   NODE        the type of nodes
//   KEY         the type of keys
//   NAMED(x)    the name of a function for these types

/// One step of each row, from node to node.
GRAFT_INLINE void NAMED(step)(const NODE *nodes, const KEY *panel, uint32_t *places) {
#pragma clang loop unroll(full)
  for (int row = 0; row < GRAFT_TREE_ROWS; row++) {
    const NODE node = nodes[places[row]];
    const KEY key = panel[(int64_t)node.column * GRAFT_TREE_ROWS + row];
    places[row] = node.left + (key > node.threshold);
  }
}

/// Whether a step moved any row: if not, all are at leaves.
GRAFT_INLINE int NAMED(step_moves)(const NODE *nodes, const KEY *panel, uint32_t *places) {
  uint32_t before[GRAFT_TREE_ROWS], difference = 0;
  memcpy(before, places, sizeof before);
  NAMED(step)(nodes, panel, places);
  for (int row = 0; row < GRAFT_TREE_ROWS; row++) difference |= before[row] ^ places[row];
  return difference != 0;
}

/// The leaves of the rows of a panel.
GRAFT_INLINE void NAMED(walk)(
    const graft_tree *tree, const NODE *all_nodes, const KEY *panel, int64_t *leaves) {
  const NODE *nodes = all_nodes + tree->first;
  uint32_t places[GRAFT_TREE_ROWS];
  for (int row = 0; row < GRAFT_TREE_ROWS; row++) places[row] = tree->root;
  uint32_t depth = tree->depth;
  for (; depth >= 4; depth -= 4) {
    NAMED(step)(nodes, panel, places);
    NAMED(step)(nodes, panel, places);
    NAMED(step)(nodes, panel, places);
    if (!NAMED(step_moves)(nodes, panel, places)) {
      depth = 0;
      break;
    }
  }
  for (; depth > 0; depth--) NAMED(step)(nodes, panel, places);
  for (int row = 0; row < GRAFT_TREE_ROWS; row++)
    leaves[row] = (int64_t)nodes[places[row]].threshold;
}

/// The leaves of the first row of a panel, of as many trees as a panel has rows.
GRAFT_INLINE void NAMED(walk_row)(
    const graft_tree *trees, const NODE *all_nodes, const KEY *panel, int64_t *leaves) {
  const NODE *places[GRAFT_TREE_ROWS], *firsts[GRAFT_TREE_ROWS];
  uint32_t depth = 0;
  for (int tree = 0; tree < GRAFT_TREE_ROWS; tree++) {
    firsts[tree] = all_nodes + trees[tree].first;
    places[tree] = firsts[tree] + trees[tree].root;
    if (trees[tree].depth > depth) depth = trees[tree].depth;
  }
  int moves = 1;
  for (; depth > 0 && moves; depth--) {
    moves = 0;
#pragma clang loop unroll(full)
    for (int tree = 0; tree < GRAFT_TREE_ROWS; tree++) {
      const NODE node = *places[tree];
      const KEY key = panel[(int64_t)node.column * GRAFT_TREE_ROWS];
      const NODE *next = firsts[tree] + (uint32_t)(node.left + (key > node.threshold));
      moves |= next != places[tree];
      places[tree] = next;
    }
  }
  for (int tree = 0; tree < GRAFT_TREE_ROWS; tree++)
    leaves[tree] = (int64_t)places[tree]->threshold;
}

static void NAMED(evaluate)(
    const graft_tree *trees, int64_t tree_count, const NODE *nodes, const KEY *panels,
    int64_t panel_count, int64_t column_count, const graft_tree_votes *votes, double *scores) {
  const int64_t panel_size = column_count * GRAFT_TREE_ROWS;
  for (int64_t tree = 0; tree < tree_count; tree++) {
    for (int64_t panel = 0; panel < panel_count; panel++) {
      int64_t leaves[GRAFT_TREE_ROWS];
      NAMED(walk)(trees + tree, nodes, panels + panel * panel_size, leaves);
      take_panel_votes(votes, leaves, scores + panel * GRAFT_TREE_ROWS * votes->target_count);
    }
  }
}

static void NAMED(evaluate_row)(
    const graft_tree *trees, int64_t tree_count, const NODE *nodes, const KEY *panel,
    const graft_tree_votes *votes, double *scores) {
  for (int64_t tree = 0; tree < tree_count; tree += GRAFT_TREE_ROWS) {
    int64_t leaves[GRAFT_TREE_ROWS];
    const int64_t left = tree_count - tree;
    const int64_t count = left < GRAFT_TREE_ROWS ? left : GRAFT_TREE_ROWS;
    graft_tree some[GRAFT_TREE_ROWS];
    for (int64_t i = 0; i < GRAFT_TREE_ROWS; i++) some[i] = trees[tree + (i < count ? i : 0)];
    NAMED(walk_row)(some, nodes, panel, leaves);
    for (int64_t i = 0; i < count; i++) take_votes(votes, leaves[i], scores);
  }
}
