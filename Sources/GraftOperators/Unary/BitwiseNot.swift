import GraftExecution
import GraftGraph
import GraftTensor

/// Inverts every bit.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BitwiseNot.html>
struct BitwiseNot: ElementwiseUnary {
  static let schema = OperatorSchema("BitwiseNot", since: [18], sameSince: 18, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .integers

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    return PreparedKernel.parallel(
      count: input.elementCount * input.elementType.byteWidth, grain: 65536, inPlaceInputs: [0]
    ) { arguments, bytes in
      let x = arguments.input(0, as: UInt8.self)
      let y = arguments.output(0, as: UInt8.self)
      for index in bytes { y[index] = ~x[index] }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values", inputs: [.integers([0, -1, 7], [3])], outputs: [.integers([-1, 0, -8], [3])]),
      OperatorExample(
        "an empty tensor", inputs: [.integers([], [2, 0])], outputs: [.integers([], [2, 0])]),
    ]
  }
}
