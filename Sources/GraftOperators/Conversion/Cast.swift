import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Converts each element to another type.
///
/// In opset 1 the type was named by a string.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Cast.html>
package struct Cast: Operator {
  package static let schema = OperatorSchema(
    "Cast", since: [1, 6, 9, 13, 19, 21, 23, 24, 25, 28], sameSince: 6, inputs: 1...1)
  package static let operandCount = 1

  private let target: ElementType
  private let rounding: NarrowFloat.Rounding

  package init(_ attributes: AttributeReader) throws {
    target = try attributes.required("to", attributes.elementType("to"))
    rounding = try NarrowFloat.Rounding(attributes)
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 6, case .string(let name) = node.attributes["to"] else { return }
    guard let type = ElementType.allCases.first(where: { "\($0)" == name.lowercased() }) else {
      throw GraftError.badData("attribute 'to' names the unknown element type '\(name)'")
    }
    node.attributes["to"] = .int(Int(type.rawValue))
  }

  /// Before opset 6 types were strings.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard let type = try AttributeReader(node.attributes).elementType("to") else { return }
    node.attributes["to"] = .string("\(type)".uppercased())
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.inferCast(to: target)
  }

  package func isIdentity(_ context: InferenceContext) -> Bool {
    (try? context.elementType(0)) == target
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.castKernel(rounding)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setCastGradient(to: target)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "float to int64", attributes: ["to": .int(7)],
        inputs: [.floats([-2.9, -0.5, 0, 1.5, 3], [5])],
        outputs: [.integers([-2, 0, 0, 1, 3], [5])]),
      OperatorExample(
        "float to bool", attributes: ["to": .int(9)],
        inputs: [.floats([0, -0.0, 0.1, .nan], [2, 2])],
        outputs: [.bools([false, false, true, true], [2, 2])]),
      OperatorExample(
        "float to double", attributes: ["to": .int(11)], inputs: [.floats([1.5, -2], [2])],
        outputs: [try! Tensor([1.5, -2] as [Double], shape: [2])], differentiableInputs: [0]),
    ]
  }
}
