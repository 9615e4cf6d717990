import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// X · coefficients + intercepts for each class, transformed, and the label of the highest score:
/// `[N, F]` → labels `[N]`, scores `[N, E]`.
///
/// One row of coefficients for two labels makes the score s of the second class; that of the first
/// one is -s. `multi_class` says how the model was made, and changes nothing. Computed in double
/// precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html>
struct LinearClassifier: Operator {
  static let schema = OperatorSchema(
    "LinearClassifier", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1,
    outputs: 2...2)

  private let scores: LinearScores
  private let labels: ClassLabels
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    scores = try LinearScores(attributes)
    labels = try ClassLabels(
      attributes, integers: "classlabels_ints", strings: "classlabels_strings")
    postTransform = try PostTransform(attributes)
    _ = try attributes.int("multi_class")
  }

  /// Whether there are coefficients for the second of two classes only.
  private func hasOneScore(features: Dimension) -> Bool {
    guard labels.count == 2 else { return false }
    if !scores.intercepts.isEmpty { return scores.intercepts.count == 1 }
    return features.known == scores.coefficients.count
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setClassifierOutputs(labels, rows: .unknown, scoreCount: .known(labels.count))
    try context.require(0, .features)
    let rows = try context.featureRows()
    if rows.features.known != nil || !scores.intercepts.isEmpty {
      let scoreCount = hasOneScore(features: rows.features) ? 1 : labels.count
      try scores.require(scores: scoreCount, features: rows.features)
    }
    context.setClassifierOutputs(labels, rows: rows.count, scoreCount: .known(labels.count))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = try FeatureRows(context.input(0))
    let scores = scores
    let classCount = labels.count
    let hasOneScore = hasOneScore(features: .known(rows.featureCount))
    let postTransform = postTransform
    let instructionSet = context.instructionSet
    let kernel = PreparedKernel.parallel(
      count: rows.count, grain: max(1, (1 << 16) / max(1, rows.featureCount * classCount)),
      workerScratchByteCount: rows.byteCount + classCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else {
        return
      }
      let all = UnsafeMutableBufferPointer(start: scratch + rows.featureCount, count: classCount)
      let computed = UnsafeMutableBufferPointer(rebasing: all[..<(hasOneScore ? 1 : classCount)])
      let numbers = arguments.output(0, as: Int64.self)
      let output = arguments.optionalOutput(1, as: Float.self)
      for index in range {
        let row = try rows.row(index, arguments, scratch: scratch)
        scores.write(row, featureCount: rows.featureCount, to: computed, instructionSet)
        if hasOneScore {
          numbers[index] = all[0] > postTransform.threshold(isProbability: false) ? 1 : 0
          (all[0], all[1]) = postTransform.bothClasses(all[0], isProbability: false)
        } else {
          numbers[index] = Int64(all.indexOfLargest)
        }
        guard let output else { continue }
        postTransform.apply(all)
        for (place, score) in all.enumerated() { output[index * classCount + place] = Float(score) }
      }
    }
    return try context.labelling(labels, kernel)
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([0.3, -2, 0], [3, 1])
    let three: [ByteString: Attribute] = [
      "coefficients": .floats([1, 2, 0.5]), "intercepts": .floats([0, 0.1, 0]),
    ]
    return [
      OperatorExample(
        "three classes", attributes: three.merging(["classlabels_ints": .ints([4, 5, 6])]) { $1 },
        inputs: [x],
        outputs: [
          .integers([5, 6, 5], [3]), .floats([0.3, 0.7, 0.15, -2, -3.9, -1, 0, 0.1, 0], [3, 3]),
        ]),
      OperatorExample(
        "softmax, with strings",
        attributes: three.merging([
          "classlabels_strings": .strings(["a", "b", "c"]), "post_transform": .string("SOFTMAX"),
        ]) { $1 }, inputs: [x],
        outputs: [
          .strings(["b", "c", "b"], [3]),
          .floats(
            [
              0.2982819, 0.4449844, 0.2567336, 0.2585415, 0.0386697, 0.7027888, 0.3220435,
              0.3559131, 0.3220435,
            ], [3, 3]),
        ]),
      OperatorExample(
        "two classes of one score",
        attributes: [
          "coefficients": .floats([1]), "intercepts": .floats([0]),
          "classlabels_ints": .ints([4, 7]), "post_transform": .string("LOGISTIC"),
        ], inputs: [x],
        outputs: [
          .integers([7, 4, 4], [3]),
          .floats([0.4255575, 0.5744425, 0.880797, 0.119203, 0.5, 0.5], [3, 2]),
        ]),
      OperatorExample(
        "without zeros",
        attributes: three.merging([
          "classlabels_ints": .ints([4, 5, 6]), "post_transform": .string("SOFTMAX_ZERO"),
        ]) { $1 }, inputs: [x],
        outputs: [
          .integers([5, 6, 5], [3]),
          .floats(
            [0.2982819, 0.4449844, 0.2567336, 0.2585415, 0.0386697, 0.7027888, 0, 1, 0], [3, 3]),
        ]),
      OperatorExample(
        "quantiles",
        attributes: three.merging([
          "classlabels_ints": .ints([4, 5, 6]), "post_transform": .string("PROBIT"),
        ]) { $1 }, inputs: [.floats([0.3], [1])],
        outputs: [.integers([5], [1]), .floats([-0.5244459, 0.5244459, -1.0366131], [1, 3])]),
    ]
  }
}
