import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x for x >= 0, alpha (exp(x / alpha) - 1) below.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Celu.html>
struct Celu: ElementwiseUnary {
  static let schema = OperatorSchema("Celu", since: [12, 28], sameSince: 12, inputs: 1...1)

  private let alpha: Float

  init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
    guard alpha > 0 else {
      throw GraftError.unsupported("attribute 'alpha' is \(alpha); it must be above 0")
    }
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.celu }, alpha) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let alpha = Double(alpha)
    return try context.unaryKernel(
      floatFunction, double: { $0 < 0 ? alpha * expm1($0 / alpha) : $0 })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.select(.x < 0, .dy * (.y / .number(Double(alpha)) + 1), .dy))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([-0.950212955, -0.63212055, -0.221199214, 0.5, 2, 4], [6])],
        differentiableInputs: [0]),
      OperatorExample(
        "alpha 2", attributes: ["alpha": .float(2)],
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [1, 6])],
        outputs: [.floats([-1.55373967, -0.786938667, -0.235006198, 0.5, 2, 4], [1, 6])],
        differentiableInputs: [0]),
    ]
  }
}
