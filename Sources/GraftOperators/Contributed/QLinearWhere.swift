import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Elements of one of two quantized values, by a condition, quantized alike.
///
/// Inputs: condition; X with scale and zero point; Y with scale and zero point; scale and zero
/// point of the result.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearWhere: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearWhere", domain: "com.microsoft", since: [1], inputs: 9...9)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let left = try builder.dequantized(node, 1)
    let right = try builder.dequantized(node, 4)
    let result = try builder.add("Where", [node.inputs[0], left, right])
    try builder.quantize(result, &node, 7, like: 1)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two scales",
        inputs: [
          .bools([true, false], [2]), .example([3, 5] as [UInt8], [2]), .floats([0.5], []),
          .example([1] as [UInt8], []), .example([9, 8] as [UInt8], [2]), .floats([2], []),
          .example([4] as [UInt8], []), .floats([0.5], []), .example([1] as [UInt8], []),
        ],
        outputs: [.example([3, 17] as [UInt8], [2])])
    ]
  }
}
