import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sum of two quantized values, which broadcast, quantized.
///
/// Inputs: A, B and the result, each with scale and zero point; the result has only these.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearAdd: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearAdd", domain: "com.microsoft", since: [1], inputs: 7...8)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let left = try builder.dequantized(node, 0)
    let right = try builder.dequantized(node, 3)
    let result = try builder.add("Add", [left, right])
    try builder.quantize(result, &node, 6, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "broadcast",
        inputs: [
          .example([0, 3, 128, 255] as [UInt8], [2, 2]), .floats([0.5], []),
          .example([3] as [UInt8], []), .example([5, 9] as [UInt8], [2]), .floats([2], []),
          .example([6] as [UInt8], []), .floats([1], []), .example([10] as [UInt8], []),
        ],
        // -3.5, 6, 60.5 and 132
        outputs: [.example([6, 16, 70, 142] as [UInt8], [2, 2])])
    ]
  }
}
