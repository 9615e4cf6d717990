import GraftExecution
import GraftGraph
import GraftTensor

/// Whether an element is NaN.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__IsNaN.html>
package struct IsNaN: Operator {
  package static let schema = OperatorSchema(
    "IsNaN", since: [9, 13, 20], sameSince: 9, inputs: 1...1)
  package static let operandCount = 1
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPointAndFloat8)
    context.setOutput(0, .bool, try context.input(0).shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.testKernel(float: { $0.isNaN }, double: { $0.isNaN })
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values", inputs: [.floats([-1, .nan, .infinity, 0], [2, 2])],
        outputs: [.bools([false, true, false, false], [2, 2])]),
      OperatorExample("a scalar", inputs: [.floats([.nan], [])], outputs: [.bools([true], [])]),
    ]
  }
}
