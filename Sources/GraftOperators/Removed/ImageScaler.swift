import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Images `[N, C, H, W]`, scaled, with a bias for each channel.
///
/// Removed from ONNX. Specification:
/// <https://github.com/onnx/onnx/blob/v1.3.0/docs/Operators.md#experimental-imagescaler>
struct ImageScaler: RemovedOperator {
  static let schema = OperatorSchema(
    "ImageScaler", domain: OperatorDomain.removed, since: [1], inputs: 1...1)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let scale = try attributes.float("scale", default: 1)
    let bias = try attributes.floats("bias") ?? [0]
    guard !bias.isEmpty else { throw GraftError.badData("'bias' is empty") }
    let product = try builder.scaled(node.inputs[0], by: scale)
    let shift = try builder.constant(bias, [bias.count, 1, 1], like: node.inputs[0])
    node.become(Add.schema, [product, shift])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two channels", attributes: ["scale": .float(2), "bias": .floats([-1, 10])],
        inputs: [.floats([0, 1, 2, 3], [1, 2, 1, 2])],
        outputs: [.floats([-1, 1, 14, 16], [1, 2, 1, 2])])
    ]
  }
}
