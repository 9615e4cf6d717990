import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// alpha · tanh(beta · x).
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-scaledtanh>
struct ScaledTanh: RemovedOperator {
  static let schema = OperatorSchema(
    "ScaledTanh", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let alpha = try attributes.float("alpha", default: 1)
    let beta = try attributes.float("beta", default: 1)
    let tanh = try builder.add("Tanh", [builder.scaled(node.inputs[0], by: beta)])
    let factor = try builder.constant([alpha], [], like: node.inputs[0])
    node.become(Mul.schema, [tanh, factor])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two and a half", attributes: ["alpha": .float(2), "beta": .float(0.5)],
        inputs: [.floats([-2, 0, 1], [3])],
        outputs: [.floats([-1.5231884, 0, 0.9242343], [3])])
    ]
  }
}
