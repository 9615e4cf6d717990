import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// 1 / (1 + exp(-x)) of a quantized value, quantized.
///
/// Inputs: x with scale and zero point; scale and zero point of the result.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearSigmoid: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearSigmoid", domain: "com.microsoft", since: [1], inputs: 4...5)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let x = try builder.dequantized(node, 0)
    let result = try builder.add("Sigmoid", [x])
    try builder.quantize(result, &node, 3, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "uint8",
        inputs: [
          .example([0, 128, 255, 140] as [UInt8], [4]), .floats([0.05], []),
          .example([128] as [UInt8], []), .floats([0.00390625], []), .example([0] as [UInt8], []),
        ],
        outputs: [.example([0, 128, 255, 165] as [UInt8], [4])])
    ]
  }
}
