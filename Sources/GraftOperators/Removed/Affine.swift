import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// alpha · x + beta.
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-affine>
struct Affine: RemovedOperator {
  static let schema = OperatorSchema(
    "Affine", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let alpha = try attributes.float("alpha", default: 1)
    let beta = try attributes.float("beta", default: 0)
    let product = try builder.scaled(node.inputs[0], by: alpha)
    let shift = try builder.constant([beta], [], like: node.inputs[0])
    node.become(Add.schema, [product, shift])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two and one", attributes: ["alpha": .float(2), "beta": .float(1)],
        inputs: [.floats([-1, 0, 2], [3])], outputs: [.floats([-1, 1, 5], [3])]),
      OperatorExample(
        "as it is", inputs: [.floats([-1, 0, 2], [3])], outputs: [.floats([-1, 0, 2], [3])]),
    ]
  }
}
