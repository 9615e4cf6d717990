import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The mean of each window of a quantized image, quantized.
///
/// Inputs: image [N, C, …], or [N, …, C] with `channels_last`, with scale and zero point; scale and
/// zero point of the result. Attributes are those of AveragePool.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearAveragePool: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearAveragePool", domain: "com.microsoft", since: [1], inputs: 4...5)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let operand = node.inputs[0]
    let image = try builder.dequantized(node, 0)
    var pooling = node.attributes
    pooling["channels_last"] = nil
    let result = try builder.withChannelsFirst(image, attributes, like: operand) { image, builder in
      try builder.add("AveragePool", [image], attributes: pooling)
    }
    try builder.quantize(result, &node, 3, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "1-D", attributes: ["kernel_shape": .ints([2])],
        inputs: [
          .example([10, 20, 31, 40] as [UInt8], [1, 1, 4]), .floats([0.5], []),
          .example([0] as [UInt8], []), .floats([0.25], []), .example([5] as [UInt8], []),
        ],
        outputs: [.example([35, 56, 76] as [UInt8], [1, 1, 3])])
    ]
  }
}
