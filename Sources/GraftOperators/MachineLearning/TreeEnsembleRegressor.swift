import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sums of the weights of the leaves that a row reaches, one in each tree: `[N, F]` →
/// `[N, n_targets]`.
///
/// Sums are in double precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html>
struct TreeEnsembleRegressor: Operator {
  static let schema = OperatorSchema(
    "TreeEnsembleRegressor", domain: OperatorDomain.machineLearning, since: [1, 3], sameSince: 1,
    inputs: 1...1)

  private let forest: DecisionForest
  private let baseValues: [Double]
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    let targetCount = try attributes.required("n_targets", try attributes.int("n_targets"))
    guard (1...Int(Int32.max)).contains(targetCount) else {
      throw GraftError.badData("'n_targets' is \(targetCount)")
    }
    let trees = try TreeAttributes(attributes, prefix: "target", targetCount: targetCount)
    let aggregation = try attributes.choice(
      "aggregate_function", default: "SUM", of: ["SUM", "AVERAGE", "MIN", "MAX"])
    forest = DecisionForest(
      trees.trees,
      votes: ForestVotes(
        leaves: trees.voteLeaves, targets: trees.voteTargets, weights: trees.voteWeights,
        leafCount: trees.trees.leafCount, targetCount: targetCount,
        aggregation: ["AVERAGE": .average, "MIN": .least, "MAX": .largest][aggregation] ?? .sum))
    baseValues = trees.baseValues
    postTransform = try PostTransform(attributes)
    guard [0, 1, targetCount].contains(baseValues.count) else {
      throw GraftError.badData("has \(baseValues.count) base values for \(targetCount) targets")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let targetCount = Dimension.known(forest.votes.targetCount)
    context.setOutput(0, .float, [.unknown, targetCount])
    try context.require(0, .features)
    let rows = try context.featureRows()
    try forest.require(features: rows.features)
    context.setOutput(0, .float, [rows.count, targetCount])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (baseValues, postTransform) = (baseValues, postTransform)
    let targetCount = forest.votes.targetCount
    return try forest.kernel(context.input(0)) { arguments, row, scores in
      scores.add(baseValues)
      postTransform.apply(scores)
      let output = arguments.output(0, as: Float.self) + row * targetCount
      for (target, score) in scores.enumerated() { output[target] = Float(score) }
    }
  }

  static var examples: [OperatorExample] {
    // x[0] ≤ 0 ? leaf 1 : leaf 2, and another tree that is a leaf.
    let trees: [ByteString: Attribute] = [
      "nodes_treeids": .ints([0, 0, 0, 7]), "nodes_nodeids": .ints([0, 1, 2, 0]),
      "nodes_featureids": .ints([0, 0, 0, 0]),
      "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"]),
      "nodes_values": .floats([0, 0, 0, 0]), "nodes_truenodeids": .ints([1, 0, 0, 0]),
      "nodes_falsenodeids": .ints([2, 0, 0, 0]),
    ]
    let votes: [ByteString: Attribute] = [
      "target_treeids": .ints([0, 0, 7]), "target_nodeids": .ints([1, 2, 0]),
      "target_ids": .ints([0, 0, 0]), "target_weights": .floats([0.25, 0.75, 2]),
      "n_targets": .int(1), "base_values": .floats([0.5]),
    ]
    let x = Tensor.floats([-1, 5, 1, 5, 0, 5, .nan, 5], [4, 2])
    return [
      OperatorExample(
        "sum", attributes: trees.merging(votes) { $1 }, inputs: [x],
        outputs: [.floats([2.75, 3.25, 2.75, 3.25], [4, 1])]),
      OperatorExample(
        "average of doubles, as tensors",
        attributes: trees.merging(votes) { $1 }.filter {
          !["base_values", "nodes_values", "target_weights"].contains($0.key.text)
        }.merging([
          "aggregate_function": .string("AVERAGE"),
          "base_values_as_tensor": .tensor(.example([0.5], [1])),
          "nodes_values_as_tensor": .tensor(.example([0.1, 0, 0, 0], [4])),
          "target_weights_as_tensor": .tensor(.example([0.25, 0.75, 2], [3])),
        ]) { $1 }, inputs: [.example([0.1, 0, 0.11, 0], [2, 2])],
        outputs: [.floats([1.625, 1.875], [2, 1])]),
      OperatorExample(
        "largest of two targets, of integers",
        attributes: trees.merging([
          "target_treeids": .ints([0, 0, 7, 7]), "target_nodeids": .ints([1, 2, 0, 0]),
          "target_ids": .ints([0, 0, 0, 1]), "target_weights": .floats([0.25, 0.75, 0.5, -2]),
          "n_targets": .int(2), "aggregate_function": .string("MAX"),
        ]) { $1 }, inputs: [.integers([-1, 0, 1, 0], [2, 2])],
        outputs: [.floats([0.5, -2, 0.75, -2], [2, 2])]),
      OperatorExample(
        "NaN where the test is true",
        attributes: trees.merging(votes) { $1 }.merging([
          "nodes_missing_value_tracks_true": .ints([1, 0, 0, 0])
        ]) { $1 }, inputs: [.floats([.nan, 0], [2])], outputs: [.floats([2.75], [1, 1])]),
    ]
  }
}

extension UnsafeMutableBufferPointer<Double> {
  /// Adds base values: none, one for all, or one for each.
  func add(_ baseValues: [Double]) {
    guard !baseValues.isEmpty else { return }
    for index in indices { self[index] += baseValues[baseValues.count == 1 ? 0 : index] }
  }
}
