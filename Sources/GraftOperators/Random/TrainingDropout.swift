import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Dropout in training: y = data mask / (1 - ratio), mask false with probability ratio.
///
/// Inputs: data, ratio (a scalar), step (an int64 scalar, the number of the run). Outputs: y, mask
/// (bool). The attributes `seed` and `stream` and the step determine the random numbers, see
/// ``CounterRandom``.
struct TrainingDropout: Operator {
  static let schema = OperatorSchema(
    "TrainingDropout", domain: "graft", since: [1], inputs: 3...3, outputs: 1...2)

  private let seed: Int
  private let stream: Int

  init(_ attributes: AttributeReader) throws {
    seed = try attributes.int("seed", default: 0)
    stream = try attributes.int("stream", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    context.setOutput(1, .bool, try context.input(0).shape)
    try context.require(1, .floatingPoint)
    try context.requireOneElement(1)
    try context.require(2, [.int64])
    try context.requireOneElement(2)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try DropoutKernel(
      source: .counter(seed: seed, stream: stream, stepInput: 2), trainingInput: nil
    ).prepared(context)
  }

  /// If the node has no mask output, the same mask is drawn again.
  func gradient(_ builder: inout GradientBuilder) throws {
    let node = builder.node
    let mask =
      if node.outputs.count > 1, let mask = node.outputs[1] {
        mask
      } else {
        builder.add(
          "TrainingDropout", domain: "graft", node.inputs, attributes: node.attributes,
          outputCount: 2)[1]
      }
    builder.setInputGradient(
      0,
      builder.add(
        "DropoutGradient", domain: "graft",
        [try builder.outputGradient(), mask, try builder.input(1)]))
  }

  var isDeterministic: Bool { false }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "nothing dropped",
        inputs: [.floats([1, -2], [2]), .floats([0], []), .integers([7], [])],
        outputs: [.floats([1, -2], [2]), .bools([true, true], [2])], differentiableInputs: [0]),
      OperatorExample(
        "all dropped", attributes: ["seed": .int(1), "stream": .int(2)],
        inputs: [.floats([1, -2], [2, 1]), .floats([1], []), .integers([0], [])],
        outputs: [.floats([0, 0], [2, 1]), .bools([false, false], [2, 1])]),
    ]
  }
}
