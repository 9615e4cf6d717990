import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The softmax of a quantized value, quantized. Before opset 13, which an attribute tells, it is
/// over all axes from `axis` on.
///
/// Inputs: x with scale and zero point; scale and zero point of the result.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearSoftmax: ExpandedOperator {
  static let schema = OperatorSchema(
    "QLinearSoftmax", domain: "com.microsoft", since: [1], inputs: 5...5)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let axis = try attributes.int("axis", default: -1)
    let x = try builder.dequantized(node, 0)
    let result: ValueID
    if try attributes.int("opset", default: 13) < 13 {
      let shape = try builder.add("Shape", [x])
      let rows = try builder.add("Flatten", [x], attributes: ["axis": .int(axis)])
      let softmax = try builder.add("Softmax", [rows], attributes: ["axis": .int(-1)])
      result = try builder.add("Reshape", [softmax, shape])
    } else {
      result = try builder.add("Softmax", [x], attributes: ["axis": .int(axis)])
    }
    try builder.quantize(result, &node, 3, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one axis", attributes: ["axis": .int(-1), "opset": .int(13)],
        inputs: [
          .example([0, 10, 20, 20] as [UInt8], [2, 2]), .floats([0.1], []),
          .example([0] as [UInt8], []), .floats([0.00390625], []), .example([0] as [UInt8], []),
        ],
        // 0.2689, 0.7311, 0.5, 0.5
        outputs: [.example([69, 187, 128, 128] as [UInt8], [2, 2])]),
      OperatorExample(
        "two axes", attributes: ["axis": .int(0), "opset": .int(12)],
        inputs: [
          .example([7, 7, 7, 7] as [UInt8], [2, 2]), .floats([0.1], []),
          .example([0] as [UInt8], []), .floats([0.00390625], []), .example([0] as [UInt8], []),
        ],
        outputs: [.example([64, 64, 64, 64] as [UInt8], [2, 2])]),
    ]
  }
}
