import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// x where it is positive, alpha · x elsewhere, of a quantized value, quantized.
///
/// Inputs: x with scale and zero point; scale and zero point of the result.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearLeakyRelu: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearLeakyRelu", domain: "com.microsoft", since: [1], inputs: 4...5)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let alpha = try attributes.float("alpha", default: 0.01)
    let x = try builder.dequantized(node, 0)
    let result = try builder.add("LeakyRelu", [x], attributes: ["alpha": .float(alpha)])
    try builder.quantize(result, &node, 3, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a quarter", attributes: ["alpha": .float(0.25)],
        inputs: [
          .example([-8, -3, 0, 5] as [Int8], [4]), .floats([1], []), .example([0] as [Int8], []),
          .floats([0.5], []), .example([1] as [Int8], []),
        ],
        // -4, -1.5, 0 and 10
        outputs: [.example([-3, -1, 1, 11] as [Int8], [4])])
    ]
  }
}
