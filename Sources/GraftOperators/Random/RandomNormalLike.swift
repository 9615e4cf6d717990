import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A tensor of the input's shape with random numbers of a normal distribution.
///
/// They are a function of the attribute `seed` and the element, see ``RandomSource``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RandomNormalLike.html>
struct RandomNormalLike: Operator {
  static let schema = OperatorSchema(
    "RandomNormalLike", since: [1, 22], sameSince: 1, inputs: 1...1)
  static let drawsUnseeded = true

  private let output: RandomOutput
  private let distribution: RandomDistribution

  init(_ attributes: AttributeReader) throws {
    output = try RandomOutput(attributes, default: nil, allowed: .floatingPoint)
    distribution = try .normal(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    try output.inferLikeInput(&context, allowed: .floatingPoint)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RandomOutput.kernel(context, distribution)
  }

  var isDeterministic: Bool { distribution.source.isSeeded }

  /// The numbers do not depend on the input's elements.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "without deviation", attributes: ["mean": .float(3.5), "scale": .float(0)],
        inputs: [.floats([7, 8], [1, 2])], outputs: [.floats([3.5, 3.5], [1, 2])]),
      OperatorExample(
        "like a tensor of strings",
        attributes: [
          "mean": .float(-1), "scale": .float(0), "dtype": .int(Int(ElementType.double.rawValue)),
        ],
        inputs: [.strings(["a", "b"], [2])], outputs: [.example([-1, -1] as [Double], [2])]),
    ]
  }
}
