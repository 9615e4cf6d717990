import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// a Hann window of a given size, see ``CosineWindow``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__HannWindow.html>
struct HannWindow: CosineWindow {
  static let schema = OperatorSchema("HannWindow", since: [17], inputs: 1...1)
  static let weights = (0.5, 0.5, 0.0)

  let form: CosineWindowForm

  init(_ attributes: AttributeReader) throws { form = try CosineWindowForm(attributes) }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "periodic", inputs: [.example([Int32(4)], [])],
        outputs: [.floats([0, 0.5, 1, 0.5], [4])]),
      OperatorExample(
        "symmetric", attributes: ["periodic": .int(0)], inputs: [.integers([4], [1])],
        outputs: [.floats([0, 0.75, 0.75, 0], [4])]),
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
