import GraftFiles

/// How a node of a decision tree compares a feature with its threshold.
enum TreeComparison: UInt8, Sendable {
  // In the order of TreeEnsemble's numbers.
  case lessOrEqual, less, greaterOrEqual, greater, equal, notEqual
  /// Whether the feature is one of several numbers.
  case member
  case leaf
}

/// Decision trees as a file has them: nodes and leaves by their places, without cycles.
struct DecisionTrees: Sendable {
  /// One for each place, and so are the following.
  var comparisons: [TreeComparison] = []
  var features: [Int] = []
  var thresholds: [Double] = []
  var whenTrue: [Int32] = []
  var whenFalse: [Int32] = []
  /// Whether NaN counts as true.
  var missingIsTrue: [Bool] = []
  /// The numbers of leaves; -1 for other nodes.
  var leaves: [Int32] = []
  /// The members of sets, ascending, and the range of each place with a set.
  var members: [Double] = []
  var memberRanges: [Int32: Range<Int>] = [:]
  /// The places of the trees' roots, in the order in which leaves are added.
  var roots: [Int32] = []
  var leafCount = 0

  /// The longest way from each place to a leaf, in steps of compiled trees.
  private(set) var heights: [UInt32] = []
  /// Whether two trees have a node in common that is not a leaf.
  private(set) var shareNodes = false
  private(set) var largestFeature = -1

  /// Places are stored as `Int32`.
  static let placeLimit = Int(Int32.max) / 4

  /// Determines heights and the features.
  ///
  /// - Throws: `GraftError` if a node is its own descendant
  mutating func finish() throws {
    heights = [UInt32](repeating: 0, count: comparisons.count)
    // The tree that reached a place first; -1 before, and while its descendants are visited -2.
    var owners = [Int32](repeating: -1, count: comparisons.count)
    var path: [(place: Int, isExpanded: Bool)] = []
    // Nodes that no root reaches form no cycles, either.
    let starts = roots.map { Int($0) } + comparisons.indices
    for (tree, start) in starts.enumerated() {
      let isReached = tree < roots.count
      if !isReached, owners[start] >= 0 { continue }
      path.append((start, false))
      while let (place, isExpanded) = path.popLast() {
        if isExpanded {
          let children = max(heights[Int(whenTrue[place])], heights[Int(whenFalse[place])])
          let (height, overflow) = children.addingReportingOverflow(UInt32(stepCount(of: place)))
          guard !overflow else { throw GraftError.badData("has a tree that is too deep") }
          heights[place] = height
          owners[place] = Int32(tree)
          continue
        }
        if comparisons[place] == .leaf { continue }
        guard owners[place] != -2 else {
          throw GraftError.badData("has a tree with a cycle", hint: "The model is damaged")
        }
        if owners[place] >= 0 {
          if isReached, owners[place] != Int32(tree) { shareNodes = true }
          continue
        }
        owners[place] = -2
        if isReached { largestFeature = max(largestFeature, features[place]) }
        path.append((place, true))
        path.append((Int(whenTrue[place]), false))
        path.append((Int(whenFalse[place]), false))
      }
    }
    if Set(roots).count < roots.count { shareNodes = true }
  }

  /// At most the steps of a compiled tree for one node.
  private func stepCount(of place: Int) -> Int {
    switch comparisons[place] {
    case .leaf: 0
    case .equal, .notEqual: 3
    case .member:
      // A balanced search among two bounds for each member, and NaN.
      Int.bitWidth - (2 * (memberRanges[Int32(place)]?.count ?? 0)).leadingZeroBitCount + 2
    default: 1
    }
  }
}
