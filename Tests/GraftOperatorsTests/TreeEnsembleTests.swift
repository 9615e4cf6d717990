import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// Ensembles of random trees against a walk from node to node, and damaged ones.
@Suite struct TreeEnsembleTests {
  /// A random tree of one of the older operators, whose leaves vote for targets.
  fileprivate struct Ensemble {
    var trees: [Int] = []
    var nodes: [Int] = []
    var features: [Int] = []
    var modes: [String] = []
    var values: [Double] = []
    var whenTrue: [Int] = []
    var whenFalse: [Int] = []
    var missing: [Int] = []
    var voteTrees: [Int] = []
    var voteNodes: [Int] = []
    var voteTargets: [Int] = []
    var voteWeights: [Double] = []
    let featureCount: Int
    let targetCount: Int

    static let comparisons = [
      "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ",
    ]

    init(
      treeCount: Int, depth: Int, featureCount: Int, targetCount: Int, sharesNodes: Bool = false,
      comparisons: [String] = Ensemble.comparisons, _ generator: inout Generator
    ) {
      self.featureCount = featureCount
      self.targetCount = targetCount
      for tree in 0..<treeCount {
        let first = trees.count
        grow(tree * 3 - 5, first, depth, sharesNodes, comparisons, &generator)
      }
    }

    /// Appends a subtree, and returns the number of its root.
    @discardableResult
    private mutating func grow(
      _ tree: Int, _ first: Int, _ depth: Int, _ sharesNodes: Bool, _ comparisons: [String],
      _ generator: inout Generator
    ) -> Int {
      let place = trees.count
      let node = place - first
      trees.append(tree)
      nodes.append(node)
      features.append(generator.below(featureCount))
      // Numbers that features also have.
      values.append(
        generator.oneIn(20)
          ? [.nan, .infinity, -.infinity, -0.0][generator.below(4)]
          : Double(generator.below(9) - 4) / 2)
      missing.append(generator.below(2))
      whenTrue.append(0)
      whenFalse.append(0)
      guard depth > 0, !generator.oneIn(6) else {
        modes.append("LEAF")
        for target in 0..<targetCount where targetCount == 1 || !generator.oneIn(3) {
          voteTrees.append(tree)
          voteNodes.append(node)
          voteTargets.append(target)
          voteWeights.append(Double(generator.below(64)) / 8 - 4)
        }
        return node
      }
      modes.append(generator.pick(comparisons) ?? "BRANCH_LEQ")
      whenTrue[place] = grow(tree, first, depth - 1, sharesNodes, comparisons, &generator)
      whenFalse[place] =
        sharesNodes && generator.oneIn(2)
        ? whenTrue[place] : grow(tree, first, depth - 1, sharesNodes, comparisons, &generator)
      return node
    }

    /// The sums for a row.
    func sums(_ row: [Double]) -> [Double] {
      var sums = [Double](repeating: 0, count: targetCount)
      var places: [[Int]: Int] = [:]
      for place in trees.indices { places[[trees[place], nodes[place]]] = place }
      for place in trees.indices where nodes[place] == 0 {
        var place = place
        while modes[place] != "LEAF" {
          let x = row[features[place]]
          let isTrue: Bool =
            x.isNaN
            ? missing[place] == 1
            : [
              "BRANCH_LEQ": x <= values[place], "BRANCH_LT": x < values[place],
              "BRANCH_GTE": x >= values[place], "BRANCH_GT": x > values[place],
              "BRANCH_EQ": x == values[place], "BRANCH_NEQ": x != values[place],
            ][modes[place]] ?? false
          place = places[[trees[place], isTrue ? whenTrue[place] : whenFalse[place]]] ?? 0
        }
        for vote in voteTrees.indices
        where voteTrees[vote] == trees[place] && voteNodes[vote] == nodes[place] {
          sums[voteTargets[vote]] += voteWeights[vote]
        }
      }
      return sums
    }

    func attributes(_ prefix: String = "target") throws -> [ByteString: Attribute] {
      [
        "nodes_treeids": .ints(trees), "nodes_nodeids": .ints(nodes),
        "nodes_featureids": .ints(features), "nodes_modes": .strings(modes),
        "nodes_values_as_tensor": .tensor(try Tensor(values, shape: [values.count])),
        "nodes_truenodeids": .ints(whenTrue), "nodes_falsenodeids": .ints(whenFalse),
        "nodes_missing_value_tracks_true": .ints(missing),
        ByteString("\(prefix)_treeids"): .ints(voteTrees),
        ByteString("\(prefix)_nodeids"): .ints(voteNodes),
        ByteString("\(prefix)_ids"): .ints(voteTargets),
        ByteString("\(prefix)_weights"): .floats(voteWeights.map { Float($0) }),
        "n_targets": .int(targetCount),
      ]
    }

    func node() throws -> Node {
      Node(
        operatorType: "TreeEnsembleRegressor", domain: OperatorDomain.machineLearning,
        inputs: [ValueID(0)], outputs: [ValueID(1)], attributes: try attributes())
    }
  }

  private static func rows(
    _ count: Int, _ featureCount: Int, _ generator: inout Generator
  ) -> [[Double]] {
    (0..<count).map { _ in
      (0..<featureCount).map { _ in
        generator.oneIn(12) ? .nan : Double(generator.below(9) - 4) / 2
      }
    }
  }

  private static func results(
    _ operation: any Operator, _ rows: [[Double]], as type: ElementType, threads: Int = 1
  ) throws -> [Float] {
    let input = try Tensor(
      doubles: rows.flatMap { $0 }, as: type, shape: [rows.count, rows.first?.count ?? 0])
    let outputs = try evaluate(
      operation, inputs: [.tensor(input)], wantedOutputs: [true], threads: threads)
    return try #require(try outputs[0]?.tensor).elements()
  }

  @Test(arguments: [1, 2, 5, 8, 9, 100], [1, 3])
  func rowsReachTheirLeaves(_ rowCount: Int, _ targetCount: Int) throws {
    for seed in 0..<6 {
      var generator = Generator(seed: UInt64(seed))
      let ensemble = Ensemble(
        treeCount: 1 + generator.below(20), depth: 1 + generator.below(7), featureCount: 4,
        targetCount: targetCount, sharesNodes: seed % 2 == 1, &generator)
      let operation = try OperatorCatalog.make(try ensemble.node())
      let rows = Self.rows(rowCount, 4, &generator)
      let expected = rows.flatMap { ensemble.sums($0) }.map { Float($0) }
      for type in [ElementType.float, .double] {
        #expect(try Self.results(operation, rows, as: type) == expected, "\(seed), \(type)")
      }
      #expect(try Self.results(operation, rows, as: .float, threads: 3) == expected, "\(seed)")
    }
  }

  @Test func integersAreFeatures() throws {
    var generator = Generator(seed: 9)
    let ensemble = Ensemble(
      treeCount: 9, depth: 5, featureCount: 3, targetCount: 1, &generator)
    let operation = try OperatorCatalog.make(try ensemble.node())
    let rows = (0..<40).map { _ in (0..<3).map { _ in Double(generator.below(7) - 3) } }
    let expected = rows.flatMap { ensemble.sums($0) }.map { Float($0) }
    for type in [ElementType.int32, .int64] {
      #expect(try Self.results(operation, rows, as: type) == expected)
    }
  }

  /// A tree that needs more than 65,536 nodes, and trees with that many features.
  @Test func largeTreesHaveWideNodes() throws {
    var generator = Generator(seed: 3)
    var large = Ensemble(
      treeCount: 0, depth: 0, featureCount: 2, targetCount: 1, &generator)
    // x[0] ≤ 0, x[0] ≤ 1 …: each node has a leaf and the next one.
    let count = 40_000
    for number in 0..<count {
      large.append(
        feature: 0, value: Double(number), whenTrue: 2 * number + 1, whenFalse: 2 * number + 2)
      large.append(leaf: Double(number % 1000))
    }
    large.append(leaf: -1)
    let operation = try OperatorCatalog.make(try large.node())
    let rows = [0, 1.5, 777, 39_999, 40_001].map { [$0, 0] } + [[.nan, 0]]
    #expect(
      try Self.results(operation, rows, as: .float) == [0, 2, 777, 999, -1, -1])
  }

  /// Floats are compared with thresholds that are doubles as such.
  @Test func thresholdsAreDoubles() throws {
    let tenth = Float(0.1)
    for (mode, expected) in [
      // The float is larger than the double.
      ("BRANCH_LEQ", Float(2)), ("BRANCH_LT", 2), ("BRANCH_GTE", 1), ("BRANCH_GT", 1),
      ("BRANCH_EQ", 2), ("BRANCH_NEQ", 1),
    ] {
      var generator = Generator(seed: 0)
      var ensemble = Ensemble(
        treeCount: 0, depth: 0, featureCount: 1, targetCount: 1, &generator)
      ensemble.append(feature: 0, value: 0.1, whenTrue: 1, whenFalse: 2, mode: mode)
      ensemble.append(leaf: 1)
      ensemble.append(leaf: 2)
      let operation = try OperatorCatalog.make(try ensemble.node())
      #expect(Double(tenth) > 0.1)
      #expect(try Self.results(operation, [[Double(tenth)]], as: .float) == [expected], "\(mode)")
    }
  }

  // MARK: Damage

  private func expectDamage(
    _ part: String, _ change: (inout Ensemble) -> Void, sourceLine: Int = #line
  ) throws {
    var generator = Generator(seed: 0)
    var ensemble = Ensemble(
      treeCount: 0, depth: 0, featureCount: 1, targetCount: 1, &generator)
    ensemble.append(feature: 0, value: 0, whenTrue: 1, whenFalse: 2)
    ensemble.append(leaf: 1)
    ensemble.append(feature: 0, value: 1, whenTrue: 3, whenFalse: 4)
    ensemble.append(leaf: 2)
    ensemble.append(leaf: 3)
    change(&ensemble)
    let node = try ensemble.node()
    expectError(.badData, part, line: sourceLine) { try OperatorCatalog.make(node) }
  }

  @Test func damagedTreesAreRefused() throws {
    try expectDamage("cycle") { $0.whenTrue[2] = 2 }
    try expectDamage("cycle") { $0.whenFalse[2] = 0 }
    try expectDamage("node 2 of tree 0 has the child 5") { $0.whenTrue[2] = 5 }
    try expectDamage("has the child -1") { $0.whenTrue[2] = -1 }
    try expectDamage("has the child \(Int.max)") { $0.whenTrue[2] = .max }
    try expectDamage("has the child \(Int.min)") { $0.whenTrue[2] = .min }
    try expectDamage("node 1 of tree 0 is there twice") { $0.nodes[3] = 1 }
    try expectDamage("has the child 4") { $0.nodes[4] = .max }
    try expectDamage("has the child 2") { $0.trees[2] = .max }
    try expectDamage("unknown mode 'BRANCH'") { $0.modes[2] = "BRANCH" }
    try expectDamage("feature -1") { $0.features[0] = -1 }
    try expectDamage("'nodes_values' has 4 entries") { $0.values.removeLast() }
    try expectDamage("'nodes_modes' has 4 entries") { $0.modes.removeLast() }
    try expectDamage("vote of node 9 of tree 0") { $0.voteNodes[0] = 9 }
    try expectDamage("vote of node 1 of tree \(Int.min)") { $0.voteTrees[0] = .min }
    try expectDamage("votes for number 1 of 1") { $0.voteTargets[0] = 1 }
    try expectDamage("different lengths") { $0.voteWeights.removeLast() }
  }

  @Test func featuresMustExist() throws {
    var generator = Generator(seed: 0)
    var ensemble = Ensemble(
      treeCount: 0, depth: 0, featureCount: 1, targetCount: 1, &generator)
    ensemble.append(feature: 1 << 60, value: 0, whenTrue: 1, whenFalse: 1)
    ensemble.append(leaf: 1)
    let operation = try OperatorCatalog.make(try ensemble.node())
    expectError(.badData, "tests feature \(1 << 60), but input 0 has 2 features") {
      try Self.results(operation, [[1, 2]], as: .float)
    }
  }

  /// A tree whose every node is shared has 2^n ways to its leaf, and takes no longer for that.
  @Test func sharedNodesTakeLinearTime() throws {
    var generator = Generator(seed: 0)
    var ensemble = Ensemble(
      treeCount: 0, depth: 0, featureCount: 1, targetCount: 1, &generator)
    let count = 2000
    for number in 0..<count {
      ensemble.append(feature: 0, value: 0, whenTrue: number + 1, whenFalse: number + 1)
    }
    ensemble.append(leaf: 5)
    let operation = try OperatorCatalog.make(try ensemble.node())
    #expect(try Self.results(operation, [[1], [-1]], as: .float) == [5, 5])
  }

  // MARK: The newest form

  private func newest(
    roots: [Int], _ change: (inout [ByteString: Attribute]) -> Void = { _ in }
  ) throws -> any Operator {
    var attributes: [ByteString: Attribute] = [
      "tree_roots": .ints(roots), "n_targets": .int(1),
      "nodes_modes": .tensor(try Tensor([UInt8(0), 6], shape: [2])),
      "nodes_featureids": .ints([0, 0]),
      "nodes_splits": .tensor(try Tensor([Float(0), 0], shape: [2])),
      "membership_values": .tensor(
        try Tensor([5, Float(3), 3, 4, .nan], shape: [5])),
      "nodes_truenodeids": .ints([0, 1]), "nodes_trueleafs": .ints([1, 1]),
      "nodes_falsenodeids": .ints([1, 2]), "nodes_falseleafs": .ints([0, 1]),
      "leaf_targetids": .ints([0, 0, 0]),
      "leaf_weights": .tensor(try Tensor([Float(1), 10, 100], shape: [3])),
    ]
    change(&attributes)
    return try OperatorCatalog.make(
      Node(
        operatorType: "TreeEnsemble", domain: OperatorDomain.machineLearning,
        inputs: [ValueID(0)], outputs: [ValueID(1)], attributes: attributes))
  }

  @Test func treesMayShareNodes() throws {
    let operation = try newest(roots: [0, 1, 0, 1])
    #expect(
      try Self.results(operation, [[-1], [3], [3.5], [5], [.nan]], as: .float)
        == [202, 40, 400, 40, 400])
  }

  @Test func missingFeaturesMayBeMembers() throws {
    let operation = try newest(roots: [1]) {
      $0["nodes_missing_value_tracks_true"] = .ints([0, 1])
    }
    #expect(try Self.results(operation, [[.nan], [4], [4.5]], as: .float) == [10, 10, 100])
  }

  @Test func halfPrecisionIsComputedInFloat() throws {
    let operation = try newest(roots: [0]) {
      for name in ["nodes_splits", "membership_values", "leaf_weights"] {
        guard case .tensor(let tensor)? = $0[name] else { continue }
        $0[name] = (try? tensor.converted(to: .float16)).map { .tensor($0) }
      }
    }
    let input = try Tensor([Float(-1), 4], shape: [2, 1]).converted(to: .float16)
    let output = try #require(
      try evaluate(operation, inputs: [.tensor(input)], wantedOutputs: [true])[0]?.tensor)
    #expect(output.elementType == .float16)
    #expect(try output.doubles() == [1, 10])
  }

  @Test func damagedNewestFormsAreRefused() throws {
    func expectDamage(
      _ part: String, roots: [Int] = [0], line: Int = #line,
      _ change: (inout [ByteString: Attribute]) -> Void
    ) {
      expectError(.badData, part, line: line) { try newest(roots: roots, change) }
    }
    expectDamage("the root 2 does not exist", roots: [2]) { _ in }
    expectDamage("cycle") { $0["nodes_falsenodeids"] = .ints([0, 2]) }
    expectDamage("node 1 has the child 3") { $0["nodes_falsenodeids"] = .ints([1, 3]) }
    expectDamage("0 sets for 1 nodes") { $0["membership_values"] = nil }
    expectDamage("leaf 1 is of target 7 of 1") { $0["leaf_targetids"] = .ints([0, 7, 0]) }
    expectDamage("'leaf_weights' has 3 entries") { $0["leaf_targetids"] = .ints([0, 0]) }
    expectDamage("unknown mode 9") {
      $0["nodes_modes"] = (try? Tensor([UInt8(9), 6], shape: [2])).map { .tensor($0) }
    }
    expectDamage("'n_targets' is -1") { $0["n_targets"] = .int(-1) }
    expectDamage("'post_transform' is 5") { $0["post_transform"] = .int(5) }
  }
}

extension TreeEnsembleTests.Ensemble {
  /// Appends a node of tree 0.
  fileprivate mutating func append(
    feature: Int, value: Double, whenTrue: Int, whenFalse: Int, mode: String = "BRANCH_LEQ"
  ) {
    trees.append(0)
    nodes.append(nodes.count)
    features.append(feature)
    modes.append(mode)
    values.append(value)
    self.whenTrue.append(whenTrue)
    self.whenFalse.append(whenFalse)
    missing.append(0)
  }

  /// Appends a leaf of tree 0.
  fileprivate mutating func append(leaf weight: Double) {
    voteTrees.append(0)
    voteNodes.append(nodes.count)
    voteTargets.append(0)
    voteWeights.append(weight)
    append(feature: 0, value: 0, whenTrue: 0, whenFalse: 0, mode: "LEAF")
  }
}
