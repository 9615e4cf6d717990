import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The mean of each channel of a quantized image, quantized.
///
/// Inputs: image [N, C, …], or [N, …, C] with `channels_last`, with scale and zero point; scale and
/// zero point of the result.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearGlobalAveragePool: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearGlobalAveragePool", domain: "com.microsoft", since: [1], inputs: 5...5)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let operand = node.inputs[0]
    let image = try builder.dequantized(node, 0)
    let result = try builder.withChannelsFirst(image, attributes, like: operand) { image, builder in
      try builder.add("GlobalAveragePool", [image])
    }
    try builder.quantize(result, &node, 3, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "channels last", attributes: ["channels_last": .int(1)],
        inputs: [
          .example([10, 1, 20, 2, 30, 3, 41, 4] as [UInt8], [1, 2, 2, 2]), .floats([0.5], []),
          .example([1] as [UInt8], []), .floats([0.25], []), .example([5] as [UInt8], []),
        ],
        // Sums 97 and 6, of four
        outputs: [.example([53, 8] as [UInt8], [1, 1, 1, 2])])
    ]
  }
}
