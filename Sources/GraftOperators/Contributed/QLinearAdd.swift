import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sum of two quantized values, which broadcast, quantized.
///
/// onnxruntime's quantizer writes it. Specification:
/// <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md>
struct QLinearAdd: QLinearBinary {
  static let schema = OperatorSchema(
    "QLinearAdd", domain: "com.microsoft", since: [1], inputs: 7...8)
  static let real = Add.schema

  let attributes: AttributeReader

  init(attributes: AttributeReader) { self.attributes = attributes }

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
