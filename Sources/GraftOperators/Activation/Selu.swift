import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = gamma x for x >= 0, gamma alpha (exp(x) - 1) below.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Selu.html>
package struct Selu: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Selu", since: [1, 6, 22], sameSince: 6, inputs: 1...1)

  private static let defaultAlpha: Float = 1.67326319217681884765625
  private static let defaultGamma: Float = 1.05070102214813232421875
  private let alpha: Float
  private let gamma: Float

  package init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: Self.defaultAlpha)
    gamma = try attributes.float("gamma", default: Self.defaultGamma)
  }

  /// The defaults had fewer digits in opset 1.
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.dropConsumedInputs()
    guard version < 6 else { return }
    if node.attributes["alpha"] == nil { node.attributes["alpha"] = .float(1.6732) }
    if node.attributes["gamma"] == nil { node.attributes["gamma"] = .float(1.0507) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if node.attributes["alpha"] == nil { node.attributes["alpha"] = .float(defaultAlpha) }
    if node.attributes["gamma"] == nil { node.attributes["gamma"] = .float(defaultGamma) }
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.selu }, alpha, gamma) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let alpha = Double(alpha)
    let gamma = Double(gamma)
    return try context.unaryKernel(
      floatFunction, double: { gamma * ($0 < 0 ? alpha * expm1($0) : $0) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let slope = GradientFormula.number(Double(gamma))
    let offset = GradientFormula.number(Double(alpha) * Double(gamma))
    try builder.setGradient(.select(.x < 0, .dy * (.y + offset), .dy * slope))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-1.6705687, -1.11133075, -0.388890207, 0.525350511, 2.10140204, 4.20280409], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "alpha 2, gamma 3", attributes: ["alpha": .float(2), "gamma": .float(3)],
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [3, 2])],
        outputs: [.floats([-5.70127773, -3.79272342, -1.32719529, 1.5, 6, 12], [3, 2])],
        differentiableInputs: [0]),
    ]
  }
}
