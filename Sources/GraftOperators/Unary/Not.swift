import GraftExecution
import GraftGraph
import GraftTensor

/// The negation of Booleans.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Not.html>
struct Not: ElementwiseUnary {
  static let schema = OperatorSchema("Not", since: [1], sameSince: 1, inputs: 1...1)
  static let elementTypes: Set<ElementType> = [.bool]

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    PreparedKernel.parallel(
      count: try context.input(0).elementCount, grain: 65536, inPlaceInputs: [0]
    ) { arguments, range in
      let x = arguments.input(0, as: UInt8.self)
      let y = arguments.output(0, as: UInt8.self)
      for index in range { y[index] = x[index] == 0 ? 1 : 0 }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values", inputs: [.bools([true, false], [2])], outputs: [.bools([false, true], [2])]),
      OperatorExample("a scalar", inputs: [.bools([true], [])], outputs: [.bools([false], [])]),
    ]
  }
}
