import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// alpha · (A' · B' + C) of quantized matrices, quantized, or a float without a scale for it.
///
/// Inputs: A and B with scale and zero point; C, int32, in steps of the product of both scales
/// (optional); scale and zero point of the result (optional).
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QGemm: ExpandedOperator {
  static let schema = OperatorSchema(
    "QGemm", domain: "com.microsoft", since: [1], inputs: 6...9)

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let alpha = try attributes.float("alpha", default: 1)
    let isTransposed = try attributes.flag("transB")
    let left = try builder.dequantized(node, 0)
    let right = try builder.dequantized(node, 3, axis: isTransposed ? 0 : 1)
    var addend: ValueID?
    if node.inputs.count > 6, node.inputs[6] != nil {
      let scale = try builder.add("Mul", [node.inputs[1], node.inputs[4]])
      addend = try builder.add(
        "DequantizeLinear", [node.inputs[6], scale], attributes: ["axis": .int(-1)])
    }
    let gemm: [ByteString: Attribute] = [
      "alpha": .float(alpha), "beta": .float(alpha),
      "transA": .int(try attributes.flag("transA") ? 1 : 0),
      "transB": .int(isTransposed ? 1 : 0),
    ]
    guard node.inputs.count > 7, node.inputs[7] != nil else {
      node.operatorType = Gemm.schema.name
      node.inputs = [left, right, addend]
      node.attributes = gemm
      return
    }
    let result = try builder.add("Gemm", [left, right, addend], attributes: gemm)
    try builder.quantize(result, &node, 7, like: 0)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a bias", attributes: ["transB": .int(1)],
        inputs: [
          .example([2, 1, 4, 6] as [UInt8], [2, 2]), .floats([0.5], []),
          .example([1] as [UInt8], []), .example([-5, 0, 6, 3] as [Int8], [2, 2]),
          .floats([1, 2], [2]), .example([0, 0] as [Int8], [2]),
          .example([10, 0] as [Int32], [2]), .floats([0.5], []), .example([100] as [UInt8], []),
        ],
        // 2.5, 6, -2.5, 33
        outputs: [.example([105, 112, 95, 166] as [UInt8], [2, 2])]),
      OperatorExample(
        "floats", attributes: ["alpha": .float(2)],
        inputs: [
          .example([2, 3] as [UInt8], [1, 2]), .floats([0.5], []), .example([1] as [UInt8], []),
          .example([1, 2, 3, 4] as [UInt8], [2, 2]), .floats([1], []),
          .example([0] as [UInt8], []),
        ],
        outputs: [.floats([7, 10], [1, 2])]),
    ]
  }
}
