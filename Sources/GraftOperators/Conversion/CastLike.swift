import GraftTensor
import GraftExecution
import GraftFiles
import GraftGraph

/// Converts each element of the first input to the type of the second.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CastLike.html>
struct CastLike: Operator {
  static let schema = OperatorSchema(
    "CastLike", since: [15, 19, 21, 23, 24, 25], sameSince: 15, inputs: 2...2)

  private let rounding: NarrowFloat.Rounding

  init(_ attributes: AttributeReader) throws {
    rounding = try NarrowFloat.Rounding(attributes)
  }

  /// Before opset 15 there is only Cast.
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard let type = context.type(node.inputs.count > 1 ? node.inputs[1] : nil)?.elementType else {
      throw GraftError.unsupported("its type is open")
    }
    node.operatorType = Cast.schema.name
    node.attributes["to"] = .int(Int(type.rawValue))
    node.removeInputs(from: 1)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferCast(to: try context.elementType(1))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.castKernel(rounding)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let target = builder.type(of: try builder.input(1))?.elementType
    try builder.setCastGradient(to: target ?? .float)
  }

  static var examples: [OperatorExample] {
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
