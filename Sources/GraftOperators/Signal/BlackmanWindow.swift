import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// a Blackman window of a given size, see ``CosineWindow``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BlackmanWindow.html>
struct BlackmanWindow: CosineWindow {
  static let schema = OperatorSchema("BlackmanWindow", since: [17], inputs: 1...1)
  static let weights = (0.42, 0.5, 0.08)

  let form: CosineWindowForm

  init(_ attributes: AttributeReader) throws { form = try CosineWindowForm(attributes) }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "periodic", inputs: [.example([Int32(4)], [])],
        outputs: [.floats([0, 0.34, 1, 0.34], [4])]),
      OperatorExample(
        "symmetric", attributes: ["periodic": .int(0)], inputs: [.integers([4], [1])],
        outputs: [.floats([0, 0.63, 0.63, 0], [4])]),
      OperatorExample(
        "integers",
        attributes: [
          "periodic": .int(0), "output_datatype": .int(Int(ElementType.int8.rawValue)),
        ],
        inputs: [.integers([5], [])], outputs: [.example([0, 0, 1, 0, 0] as [Int8], [5])]),
      OperatorExample(
        "empty", inputs: [.integers([0], [])], outputs: [.floats([], [0])]),
    ]
  }
}
