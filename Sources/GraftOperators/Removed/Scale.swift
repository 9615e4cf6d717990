import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// scale · x.
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-scale>
struct Scale: RemovedOperator {
  static let schema = OperatorSchema(
    "Scale", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let factor = try attributes.float("scale", default: 1)
    let scale = try builder.constant([factor], [], like: node.inputs[0])
    node.become(Mul.schema, [node.inputs[0], scale])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "by three halves", attributes: ["scale": .float(1.5)],
        inputs: [.floats([-2, 0, 1], [3])], outputs: [.floats([-3, 0, 1.5], [3])])
    ]
  }
}
