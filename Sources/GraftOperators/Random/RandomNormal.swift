import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A tensor of the attribute `shape` with random numbers of a normal distribution.
///
/// They are a function of the attribute `seed` and the element, see ``RandomSource``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RandomNormal.html>
struct RandomNormal: Operator {
  static let schema = OperatorSchema(
    "RandomNormal", since: [1, 22], sameSince: 1, inputs: 0...0)
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
    distribution = try .normal(attributes)
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
        "without deviation",
        attributes: ["shape": .ints([2, 1]), "mean": .float(3.5), "scale": .float(0)], inputs: [],
        outputs: [.floats([3.5, 3.5], [2, 1])]),
      OperatorExample(
        "empty, of doubles",
        attributes: [
          "shape": .ints([0]), "dtype": .int(Int(ElementType.double.rawValue)), "seed": .float(1),
        ], inputs: [], outputs: [.example([] as [Double], [0])]),
    ]
  }
}
