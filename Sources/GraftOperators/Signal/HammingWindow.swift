import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// a Hamming window of a given size, see ``CosineWindow``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__HammingWindow.html>
struct HammingWindow: CosineWindow {
  static let schema = OperatorSchema("HammingWindow", since: [17], inputs: 1...1)
  static let weights = (25.0 / 46, 21.0 / 46, 0.0)

  let form: CosineWindowForm

  init(_ attributes: AttributeReader) throws { form = try CosineWindowForm(attributes) }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "periodic", inputs: [.example([Int32(4)], [])],
        outputs: [.floats([0.08695652, 0.5434783, 1, 0.5434783], [4])]),
      OperatorExample(
        "symmetric", attributes: ["periodic": .int(0)], inputs: [.integers([4], [1])],
        outputs: [.floats([0.08695652, 0.77173913, 0.77173913, 0.08695652], [4])]),
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
