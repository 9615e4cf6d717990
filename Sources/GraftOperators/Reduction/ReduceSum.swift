import GraftExecution
import GraftFiles
import GraftGraph

/// The sum over axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceSum.html>
package struct ReduceSum: ReduceOperator {
  package static let schema = OperatorSchema(
    "ReduceSum", since: [1, 11, 13], sameSince: 13, inputs: 1...2)

  static var axesAreInputSince: Int { 13 }

  package let form: ReductionForm

  package func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(
      axes: axes, of: .element, finish: Total.self, finishInteger: IntegerTotal.self)
  }

  /// dx = dy
  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(0, try expandedGradient(&builder))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([25, 3, 10, 3, 115, -1], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([33, 122], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([155], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([0, 0, 0, 0], [2, 1, 2])]),
      OperatorExample(
        "no axes", attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [.floats([-3, 2], [2])], outputs: [.floats([-3, 2], [2])]),
      OperatorExample(
        "integers", inputs: [.integers([9007199254740993, -1, 5], [3])],
        outputs: [.integers([9007199254740997], [1])]),
    ]
  }
}
