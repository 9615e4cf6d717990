import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Converts each element of the first input to the type of the second.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CastLike.html>
package struct CastLike: Operator {
  package static let schema = OperatorSchema(
    "CastLike", since: [15, 19, 21, 23, 24, 25], sameSince: 15, inputs: 2...2)
  package static let operandCount = 1

  private let rounding: NarrowFloat.Rounding

  package init(_ attributes: AttributeReader) throws {
    rounding = try NarrowFloat.Rounding(attributes)
  }

  /// Before opset 15 there is only Cast.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard let type = context.type(node.inputs.count > 1 ? node.inputs[1] : nil)?.elementType else {
      throw GraftError.unsupported("its type is unknown")
    }
    node.operatorType = Cast.schema.name
    node.attributes["to"] = .int(Int(type.rawValue))
    node.removeInputs(from: 1)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.inferCast(to: try context.elementType(1))
  }

  package func isIdentity(_ context: InferenceContext) -> Bool {
    guard let source = try? context.elementType(0) else { return false }
    return (try? context.elementType(1)) == source
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.castKernel(rounding)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let target = builder.type(of: try builder.input(1))?.elementType
    try builder.setCastGradient(to: target ?? .float)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "integers to floats", inputs: [.integers([-2, 16_777_217], [2]), .floats([0], [1])],
        outputs: [.floats([-2, 16_777_216], [2])]),
      OperatorExample(
        "the same type", inputs: [.floats([1.5, 2], [2, 1]), .floats([], [0])],
        outputs: [.floats([1.5, 2], [2, 1])], differentiableInputs: [0]),
    ]
  }
}
