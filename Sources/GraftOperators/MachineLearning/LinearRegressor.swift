import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// X · coefficients + intercepts for each target, transformed: `[N, F]` → `[N, targets]`.
///
/// Computed in double precision and rounded once.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearRegressor.html>
struct LinearRegressor: Operator {
  static let schema = OperatorSchema(
    "LinearRegressor", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)

  private let scores: LinearScores
  private let targetCount: Int
  private let postTransform: PostTransform

  init(_ attributes: AttributeReader) throws {
    scores = try LinearScores(attributes)
    targetCount = try attributes.int("targets", default: 1)
    postTransform = try PostTransform(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    try context.require(0, .features)
    let rows = try context.featureRows()
    try scores.require(scores: targetCount, features: rows.features)
    context.setOutput(0, .float, [rows.count, .known(targetCount)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = try FeatureRows(context.input(0))
    let scores = scores
    let targetCount = targetCount
    let postTransform = postTransform
    let instructionSet = context.instructionSet
    return .parallel(
      count: rows.count, grain: max(1, (1 << 16) / max(1, rows.featureCount * targetCount)),
      workerScratchByteCount: rows.byteCount + targetCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Double.self) else {
        return
      }
      let results = UnsafeMutableBufferPointer(
        start: scratch + rows.featureCount, count: targetCount)
      let output = arguments.output(0, as: Float.self)
      for index in range {
        let row = try rows.row(index, arguments, scratch: scratch)
        scores.write(row, featureCount: rows.featureCount, to: results, instructionSet)
        postTransform.apply(results)
        for (target, result) in results.enumerated() {
          output[index * targetCount + target] = Float(result)
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([0.3, -2, 0], [3, 1])
    return [
      OperatorExample(
        "two targets",
        attributes: [
          "coefficients": .floats([1, 0.5]), "intercepts": .floats([0, 0.2]), "targets": .int(2),
        ], inputs: [x], outputs: [.floats([0.3, 0.35, -2, -0.8, 0, 0.2], [3, 2])]),
      OperatorExample(
        "softmax",
        attributes: [
          "coefficients": .floats([1, 0.5]), "intercepts": .floats([0, 0.2]), "targets": .int(2),
          "post_transform": .string("SOFTMAX"),
        ], inputs: [x],
        outputs: [
          .floats(
            [0.4875026, 0.5124974, 0.2314752, 0.7685248, 0.4501660, 0.5498340], [3, 2])
        ]),
      OperatorExample(
        "one target, of doubles", attributes: ["coefficients": .floats([1, -2])],
        inputs: [.example([1.0, 2, 3, 4], [2, 2])], outputs: [.floats([-3, -5], [2, 1])]),
      OperatorExample(
        "logistic, as the specification has it",
        attributes: ["coefficients": .floats([1, -2]), "post_transform": .string("LOGISTIC")],
        inputs: [.integers([3, 1], [2])], outputs: [.floats([0.7310586], [1, 1])]),
    ]
  }
}
