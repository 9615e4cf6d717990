import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// alpha · log(1 + exp(beta · x)).
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-parametricsoftplus>
struct ParametricSoftplus: RemovedOperator {
  static let schema = OperatorSchema(
    "ParametricSoftplus", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let alpha = try attributes.float("alpha", default: 1)
    let beta = try attributes.float("beta", default: 1)
    let softplus = try builder.add("Softplus", [builder.scaled(node.inputs[0], by: beta)])
    let factor = try builder.constant([alpha], [], like: node.inputs[0])
    node.become(Mul.schema, [softplus, factor])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two and a half", attributes: ["alpha": .float(2), "beta": .float(0.5)],
        inputs: [.floats([-2, 0, 1], [3])],
        outputs: [.floats([0.6265234, 1.3862944, 1.9481539], [3])])
    ]
  }
}
