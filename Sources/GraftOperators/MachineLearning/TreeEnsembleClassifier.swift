import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The class with the largest sum of votes of the leaves that a row reaches: `[N, F]` → labels
/// `[N]`, scores `[N, E]`.
///
/// If all votes are for one of two classes, its score is that of the second class. The first one
/// has 1 - s if s is a probability, as no weight is negative and nothing transforms the scores, and
/// otherwise -s; the specification leaves that open. Sums are in double precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html>
struct TreeEnsembleClassifier: Operator {
  static let schema = OperatorSchema(
    "TreeEnsembleClassifier", domain: OperatorDomain.machineLearning, since: [1, 3], sameSince: 1,
    inputs: 1...1, outputs: 2...2)

  private let forest: DecisionForest
  private let labels: ClassLabels
  private let baseValues: [Double]
  private let postTransform: PostTransform
  /// The class of all votes, if there are two classes and votes for one.
  private let onlyClass: Int?
  private let hasNegativeWeights: Bool

  init(_ attributes: AttributeReader) throws {
    labels = try ClassLabels(
      attributes, integers: "classlabels_int64s", strings: "classlabels_strings")
    let classCount = labels.count
    let trees = try TreeAttributes(attributes, prefix: "class", targetCount: classCount)
    let first = trees.voteTargets.first
    onlyClass =
      classCount == 2 && trees.voteTargets.allSatisfy({ $0 == first }) ? first.map { Int($0) } : nil
    hasNegativeWeights = trees.voteWeights.contains { $0 < 0 }
    let targets = onlyClass == nil ? trees.voteTargets : trees.voteTargets.map { _ in 0 }
    forest = DecisionForest(
      trees.trees,
      votes: ForestVotes(
        leaves: trees.voteLeaves, targets: targets, weights: trees.voteWeights,
        leafCount: trees.trees.leafCount, targetCount: onlyClass == nil ? classCount : 1,
        aggregation: .sum))
    postTransform = try PostTransform(attributes)
    guard [0, 1, classCount].contains(trees.baseValues.count) else {
      throw GraftError.badData(
        "has \(trees.baseValues.count) base values for \(classCount) classes")
    }
    if let onlyClass, trees.baseValues.count == 2 {
      baseValues = [trees.baseValues[onlyClass]]
    } else {
      baseValues = trees.baseValues
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let classCount = Dimension.known(labels.count)
    context.setClassifierOutputs(labels, rows: .unknown, scoreCount: classCount)
    try context.require(0, .features)
    let rows = try context.featureRows()
    try forest.require(features: rows.features)
    context.setClassifierOutputs(labels, rows: rows.count, scoreCount: classCount)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (baseValues, postTransform) = (baseValues, postTransform)
    let classCount = labels.count
    let onlyClass = onlyClass
    let isProbability = !hasNegativeWeights
    let threshold = postTransform.threshold(isProbability: isProbability)
    let kernel = try forest.kernel(context.input(0)) { arguments, row, scores in
      scores.add(baseValues)
      let numbers = arguments.output(0, as: Int64.self)
      let output = arguments.optionalOutput(1, as: Float.self).map { $0 + row * classCount }
      guard let onlyClass else {
        numbers[row] = Int64(scores.indexOfLargest)
        guard let output else { return }
        postTransform.apply(scores)
        for (place, score) in scores.enumerated() { output[place] = Float(score) }
        return
      }
      let score = scores[0]
      numbers[row] = score > threshold ? 1 : 0
      guard let output else { return }
      // Votes for the second class alone are scores of both.
      var both =
        onlyClass == 1 ? (0, score) : postTransform.bothClasses(score, isProbability: isProbability)
      withUnsafeMutableBytes(of: &both) { bytes in
        let both = bytes.assumingMemoryBound(to: Double.self)
        postTransform.apply(both)
        output[0] = Float(both[0])
        output[1] = Float(both[1])
      }
    }
    return try context.labelling(labels, kernel)
  }

  static var examples: [OperatorExample] {
    let trees: [ByteString: Attribute] = [
      "nodes_treeids": .ints([0, 0, 0]), "nodes_nodeids": .ints([0, 1, 2]),
      "nodes_featureids": .ints([0, 0, 0]),
      "nodes_modes": .strings(["BRANCH_LEQ", "LEAF", "LEAF"]), "nodes_values": .floats([0, 0, 0]),
      "nodes_truenodeids": .ints([1, 0, 0]), "nodes_falsenodeids": .ints([2, 0, 0]),
    ]
    let x = Tensor.floats([-1, 1], [2, 1])
    func single(_ weights: [Float]) -> [ByteString: Attribute] {
      trees.merging([
        "class_treeids": .ints([0, 0]), "class_nodeids": .ints([1, 2]), "class_ids": .ints([0, 0]),
        "class_weights": .floats(weights), "classlabels_int64s": .ints([4, 7]),
      ]) { $1 }
    }
    let three = trees.merging([
      "class_treeids": .ints([0, 0, 0, 0]), "class_nodeids": .ints([1, 2, 2, 2]),
      "class_ids": .ints([2, 0, 1, 2]), "class_weights": .floats([1, 0.25, 0.5, 0.25]),
      "classlabels_strings": .strings(["a", "b", "c"]),
    ]) { $1 }
    return [
      OperatorExample(
        "three classes", attributes: three, inputs: [x],
        outputs: [.strings(["c", "b"], [2]), .floats([0, 0, 1, 0.25, 0.5, 0.25], [2, 3])]),
      OperatorExample(
        "three classes, with base values",
        attributes: three.merging(["base_values": .floats([1, 0, 0.5])]) { $1 }, inputs: [x],
        outputs: [.strings(["c", "a"], [2]), .floats([1, 0, 1.5, 1.25, 0.5, 0.75], [2, 3])]),
      OperatorExample(
        "probabilities of one class of two", attributes: single([0.3, 0.8]), inputs: [x],
        outputs: [.integers([4, 7], [2]), .floats([0.7, 0.3, 0.2, 0.8], [2, 2])]),
      OperatorExample(
        "scores of one class of two, logistic",
        attributes: single([-0.3, 0.8]).merging([
          "post_transform": .string("LOGISTIC"), "base_values": .floats([0.1]),
        ]) { $1 }, inputs: [x],
        outputs: [
          .integers([4, 7], [2]), .floats([0.549834, 0.450166, 0.2890505, 0.7109495], [2, 2]),
        ]),
    ]
  }
}
