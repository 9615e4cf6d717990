import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A tensor of the attribute `shape` with random numbers of a uniform distribution.
///
/// They are a function of the attribute `seed` and the element, see ``RandomSource``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RandomUniform.html>
struct RandomUniform: Operator {
  static let schema = OperatorSchema(
    "RandomUniform", since: [1, 22], sameSince: 1, inputs: 0...0)
  static let drawsUnseeded = true

  private let shape: Shape
  private let output: RandomOutput
  private let distribution: RandomDistribution

  init(_ attributes: AttributeReader) throws {
    shape = try attributes.required("shape", attributes.ints("shape"))
    guard shape.allSatisfy({ $0 >= 0 }) else {
      throw GraftError.badData("attribute 'shape' is \(shape)")
    }
    _ = try shape.checkedElementCount()
    output = try RandomOutput(attributes, default: .float, allowed: .floatingPoint)
    distribution = try .uniform(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, output.elementType ?? .float, [Dimension](shape))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RandomOutput.kernel(context, distribution)
  }

  var isDeterministic: Bool { distribution.source.isSeeded }

  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one number only",
        attributes: ["shape": .ints([2, 1]), "low": .float(-2), "high": .float(-2)], inputs: [],
        outputs: [.floats([-2, -2], [2, 1])]),
      OperatorExample(
        "empty, of doubles",
        attributes: [
          "shape": .ints([0]), "dtype": .int(Int(ElementType.double.rawValue)), "seed": .float(1),
        ], inputs: [], outputs: [.example([] as [Double], [0])]),
    ]
  }
}
