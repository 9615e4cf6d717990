import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Quantized values side by side, quantized alike.
///
/// Inputs: scale and zero point of the result; then each value with its scale and zero point.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearConcat: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearConcat", domain: "com.microsoft", since: [1], inputs: 5...OperatorSchema.unlimited)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    guard node.inputs.count % 3 == 2 else {
      throw GraftError.badData("has \(node.inputs.count) inputs; expected three for each value")
    }
    let parts = try stride(from: 2, to: node.inputs.count, by: 3).map {
      try builder.dequantized(node, $0)
    }
    let axis = try attributes.required("axis", attributes.int("axis"))
    let result = try builder.add("Concat", parts, attributes: ["axis": .int(axis)])
    try builder.quantize(result, &node, 0, like: 2)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two scales", attributes: ["axis": .int(0)],
        inputs: [
          .floats([0.5], []), .example([1] as [UInt8], []), .example([3, 5] as [UInt8], [2]),
          .floats([0.5], []), .example([1] as [UInt8], []), .example([9] as [UInt8], [1]),
          .floats([2], []), .example([4] as [UInt8], []),
        ],
        outputs: [.example([3, 5, 21] as [UInt8], [3])])
    ]
  }
}
