import GraftExecution
import GraftFiles
import GraftGraph

/// The sum of the magnitudes over axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceL1.html>
package struct ReduceL1: ReduceOperator {
  package static let schema = OperatorSchema(
    "ReduceL1", since: [1, 11, 13, 18], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  package func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(
      axes: axes, of: .magnitude, finish: Total.self, finishInteger: IntegerTotal.self)
  }

  /// dx = sign x · dy
  package func gradient(_ builder: inout GradientBuilder) throws {
    let sign = builder.add("Sign", [try builder.input(0)])
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    builder.setInputGradient(0, builder.add("Mul", [sign, gradient]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([25, 3, 70, 3, 115, 3], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([93, 126], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([219], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([0, 0, 0, 0], [2, 1, 2])]),
      OperatorExample(
        "no axes", attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [.floats([-3, 2], [2])], outputs: [.floats([3, 2], [2])]),
      OperatorExample(
        "integers", inputs: [.integers([3, -4], [2])],
        outputs: [.integers([7], [1])]),
    ]
  }
}
