import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The weights of the leaves that a row reaches, one in each tree, aggregated: `[N, F]` →
/// `[N, n_targets]`.
///
/// NaN goes where `nodes_missing_value_tracks_true` says, with all comparisons; in ONNX's reference
/// implementation it is also unequal to the threshold. Sums are in double precision and rounded
/// once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html>
struct TreeEnsemble: Operator {
  static let schema = OperatorSchema(
    "TreeEnsemble", domain: OperatorDomain.machineLearning, since: [5], inputs: 1...1)

  private let forest: DecisionForest
  private let elementType: ElementType
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    let weights = try attributes.required("leaf_weights", try attributes.tensor("leaf_weights"))
    elementType = weights.elementType
    let targets = try attributes.required("leaf_targetids", try attributes.ints("leaf_targetids"))
    guard weights.elementCount == targets.count, targets.count <= DecisionTrees.placeLimit else {
      throw GraftError.badData(
        "'leaf_weights' has \(weights.elementCount) entries; 'leaf_targetids' has \(targets.count)")
    }
    let targetCount =
      try attributes.int("n_targets") ?? (targets.max().map { min($0, Int(Int32.max)) } ?? 0) + 1
    guard (1...Int(Int32.max)).contains(targetCount) else {
      throw GraftError.badData("'n_targets' is \(targetCount)")
    }
    for (leaf, target) in targets.enumerated() where !(0..<targetCount).contains(target) {
      throw GraftError.badData("leaf \(leaf) is of target \(target) of \(targetCount)")
    }
    let aggregations: [ForestVotes.Aggregation] = [.average, .sum, .least, .largest]
    let aggregation = try attributes.int("aggregate_function", default: 1)
    guard aggregations.indices.contains(aggregation) else {
      throw GraftError.badData("'aggregate_function' is \(aggregation)")
    }
    let transforms: [PostTransform] = [.none, .softmax, .logistic, .softmaxZero, .probit]
    let transform = try attributes.int("post_transform", default: 0)
    guard transforms.indices.contains(transform) else {
      throw GraftError.badData("'post_transform' is \(transform)")
    }
    postTransform = transforms[transform]
    forest = DecisionForest(
      try Self.trees(attributes, leafCount: targets.count),
      votes: ForestVotes(
        leaves: targets.indices.map { Int32($0) }, targets: targets.map { Int32($0) },
        weights: try weights.doubles(), leafCount: targets.count, targetCount: targetCount,
        aggregation: aggregations[aggregation]))
  }

  /// The nodes, and after them the leaves.
  private static func trees(
    _ attributes: AttributeReader, leafCount: Int
  ) throws -> DecisionTrees {
    func list(_ name: String) throws -> [Int] {
      try attributes.required(name, try attributes.ints(name))
    }
    var trees = DecisionTrees()
    trees.features = try list("nodes_featureids")
    let count = trees.features.count
    guard count <= DecisionTrees.placeLimit else { throw GraftError.badData("has too many nodes") }
    func checked<Element>(_ name: String, _ list: [Element]) throws -> [Element] {
      guard list.count == count else {
        throw GraftError.badData(
          "'\(name)' has \(list.count) entries; 'nodes_featureids' has \(count)")
      }
      return list
    }
    func tensor(_ name: String) throws -> Tensor {
      try attributes.required(name, try attributes.tensor(name))
    }
    let modes = try checked("nodes_modes", try tensor("nodes_modes").integers())
    trees.thresholds = try checked("nodes_splits", try tensor("nodes_splits").doubles())
    let missing = try attributes.ints("nodes_missing_value_tracks_true") ?? []
    trees.missingIsTrue =
      missing.isEmpty
      ? [Bool](repeating: false, count: count)
      : try checked("nodes_missing_value_tracks_true", missing).map { $0 != 0 }
    for (place, mode) in modes.enumerated() {
      guard (0...6).contains(mode), let comparison = TreeComparison(rawValue: UInt8(mode)) else {
        throw GraftError.badData("node \(place) has the unknown mode \(mode)")
      }
      trees.comparisons.append(comparison)
      guard trees.features[place] >= 0 else {
        throw GraftError.badData("node \(place) tests feature \(trees.features[place])")
      }
    }
    func children(_ numbers: String, _ leafFlags: String) throws -> [Int32] {
      let numbers = try checked(numbers, try list(numbers))
      let flags = try checked(leafFlags, try list(leafFlags))
      return try zip(numbers, flags).enumerated().map { place, child in
        let isLeaf = child.1 != 0
        guard (0..<(isLeaf ? leafCount : count)).contains(child.0) else {
          throw GraftError.badData(
            "node \(place) has the child \(child.0), which does not exist")
        }
        return Int32(isLeaf ? count + child.0 : child.0)
      }
    }
    trees.whenTrue = try children("nodes_truenodeids", "nodes_trueleafs")
    trees.whenFalse = try children("nodes_falsenodeids", "nodes_falseleafs")
    try trees.readMembers(attributes)
    trees.roots = try list("tree_roots").map { root in
      guard (0..<count).contains(root) else {
        throw GraftError.badData("the root \(root) does not exist")
      }
      return Int32(root)
    }
    trees.append(leaves: leafCount)
    try trees.finish()
    return trees
  }

  func infer(_ context: inout InferenceContext) throws {
    let targetCount = Dimension.known(forest.votes.targetCount)
    context.setOutput(0, elementType, [.unknown, targetCount])
    try context.require(0, [.float, .double, .float16])
    guard try context.elementType(0) == elementType else {
      throw GraftError.badData(
        "input 0 has element type \(try context.elementType(0)); the leaves have \(elementType)")
    }
    let rows = try context.featureRows()
    try forest.require(features: rows.features)
    context.setOutput(0, elementType, [rows.count, targetCount])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.converting([.float16], to: .float) { context in
      let postTransform = postTransform
      let targetCount = forest.votes.targetCount
      let isDouble = try context.output(0).elementType == .double
      return try forest.kernel(context.input(0)) { arguments, row, scores in
        postTransform.apply(scores)
        if isDouble {
          let output = arguments.output(0, as: Double.self) + row * targetCount
          for (target, score) in scores.enumerated() { output[target] = score }
        } else {
          let output = arguments.output(0, as: Float.self) + row * targetCount
          for (target, score) in scores.enumerated() { output[target] = Float(score) }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let single: [ByteString: Attribute] = [
      "n_targets": .int(2), "tree_roots": .ints([0]),
      "nodes_modes": .tensor(.example([UInt8(0), 0, 0], [3])),
      "nodes_featureids": .ints([0, 0, 0]),
      "nodes_splits": .tensor(.example([3.14, 1.2, 4.2], [3])),
      "nodes_truenodeids": .ints([1, 0, 1]), "nodes_trueleafs": .ints([0, 1, 1]),
      "nodes_falsenodeids": .ints([2, 2, 3]), "nodes_falseleafs": .ints([0, 1, 1]),
      "leaf_targetids": .ints([0, 1, 0, 1]),
      "leaf_weights": .tensor(.example([5.23, 12.12, -12.23, 7.21], [4])),
    ]
    let sets: [ByteString: Attribute] = [
      "n_targets": .int(4), "tree_roots": .ints([0]),
      "nodes_modes": .tensor(.example([UInt8(0), 6, 6], [3])),
      "nodes_featureids": .ints([0, 0, 0]),
      "nodes_splits": .tensor(.floats([11, 232_344, .nan], [3])),
      "membership_values": .tensor(.floats([1.2, 3.7, 8, 9, .nan, 12, 7, .nan], [8])),
      "nodes_truenodeids": .ints([1, 0, 1]), "nodes_trueleafs": .ints([0, 1, 1]),
      "nodes_falsenodeids": .ints([2, 2, 3]), "nodes_falseleafs": .ints([1, 0, 1]),
      "leaf_targetids": .ints([0, 1, 2, 3]),
      "leaf_weights": .tensor(.floats([1, 10, 1000, 100], [4])),
    ]
    return [
      OperatorExample(
        "one tree of doubles", attributes: single,
        inputs: [.example([1.2, 3.4, -0.12, 1.66, 4.14, 1.77], [3, 2])],
        outputs: [.example([5.23, 0, 5.23, 0, 0, 12.12], [3, 2])]),
      OperatorExample(
        "sets", attributes: sets, inputs: [.floats([1.2, 3.4, -0.12, .nan, 12, 7], [6, 1])],
        outputs: [
          .floats(
            [
              1, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 100, 0, 0, 1000, 0, 0, 0, 1000, 0, 0, 10, 0, 0,
            ], [6, 4])
        ]),
    ]
  }
}

extension DecisionTrees {
  /// Reads the sets of nodes with one, in their order, each of which ends with NaN.
  fileprivate mutating func readMembers(_ attributes: AttributeReader) throws {
    let values = try attributes.tensor("membership_values")?.doubles() ?? []
    let sets = values.split(omittingEmptySubsequences: false) { $0.isNaN }
    // After the last NaN, nothing follows.
    let count = sets.last.map { $0.isEmpty } ?? true ? sets.count - 1 : sets.count
    let places = comparisons.indices.filter { comparisons[$0] == .member }
    guard places.count == max(count, 0) else {
      throw GraftError.badData(
        "'membership_values' has \(max(count, 0)) sets for \(places.count) nodes")
    }
    for (place, set) in zip(places, sets) {
      let start = members.count
      members += set.sorted()
      memberRanges[Int32(place)] = start..<members.count
    }
  }

  /// Adds places of leaves after those of the nodes.
  fileprivate mutating func append(leaves count: Int) {
    leaves = [Int32](repeating: -1, count: comparisons.count) + (0..<Int32(count))
    comparisons += [TreeComparison](repeating: .leaf, count: count)
    features += [Int](repeating: 0, count: count)
    thresholds += [Double](repeating: 0, count: count)
    missingIsTrue += [Bool](repeating: false, count: count)
    whenTrue += [Int32](repeating: 0, count: count)
    whenFalse += [Int32](repeating: 0, count: count)
    leafCount = count
  }
}
