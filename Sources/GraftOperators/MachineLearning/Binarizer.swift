import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// 1 for elements above a threshold, else 0.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_Binarizer.html>
struct Binarizer: Operator {
  static let schema = OperatorSchema(
    "Binarizer", domain: OperatorDomain.machineLearning, since: [1], inputs: 1...1)
  static let operandCount = 1

  private let threshold: Float

  init(_ attributes: AttributeReader) throws {
    threshold = try attributes.float("threshold", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput()
    try context.require(0, .features)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let threshold = Double(threshold)
    func kernel<Element: TensorElement>(
      _ isAbove: @escaping @Sendable (Element) -> Bool, _ zero: Element, _ one: Element
    ) -> PreparedKernel {
      .parallel(count: input.elementCount, grain: 1 << 14, inPlaceInputs: [0]) { arguments, range in
        let x = arguments.input(0, as: Element.self)
        let y = arguments.output(0, as: Element.self)
        for index in range { y[index] = isAbove(x[index]) ? one : zero }
      }
    }
    switch input.elementType {
    case .double: return kernel({ $0 > threshold }, 0.0, 1.0)
    case .int32: return kernel({ Double($0) > threshold }, Int32(0), 1)
    case .int64: return kernel({ Double($0) > threshold }, Int64(0), 1)
    default: return kernel({ Double($0) > threshold }, Float(0), 1)
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", attributes: ["threshold": .float(0.5)],
        inputs: [.floats([1, -3, 0.5, 0.75, .nan, 0], [2, 3])],
        outputs: [.floats([1, 0, 0, 1, 0, 0], [2, 3])]),
      OperatorExample(
        "integers", attributes: ["threshold": .float(0.5)],
        inputs: [.integers([0, 1, -3], [3])], outputs: [.integers([0, 1, 0], [3])]),
    ]
  }
}
