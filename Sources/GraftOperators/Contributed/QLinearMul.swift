import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The product of two quantized values, which broadcast, quantized.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearMul: QLinearBinary {
  static let schema = OperatorSchema(
    "QLinearMul", domain: "com.microsoft", since: [1], inputs: 7...8)
  static let real = Mul.schema

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "int8",
        inputs: [
          .example([1, 2, -3] as [Int8], [3]), .floats([0.5], []), .example([0] as [Int8], []),
          .example([5, 100, 7] as [Int8], [3]), .floats([0.25], []), .example([1] as [Int8], []),
          .floats([0.125], []), .example([0] as [Int8], []),
        ],
        outputs: [.example([4, 127, -18] as [Int8], [3])])
    ]
  }
}
