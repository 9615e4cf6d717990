import GraftExecution
import GraftFiles
import GraftGraph

/// The sum of the squares over axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceSumSquare.html>
package struct ReduceSumSquare: ReduceOperator {
  package static let schema = OperatorSchema(
    "ReduceSumSquare", since: [1, 11, 13, 18], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  package func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(
      axes: axes, of: .square, finish: Total.self, finishInteger: IntegerTotal.self)
  }

  /// dx = 2 · x · dy
  package func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let twice = builder.add("Mul", [gradient, try builder.addScalar(2, like: input)])
    builder.setInputGradient(0, builder.add("Mul", [input, twice]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([425, 5, 2500, 5, 6625, 5], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([3953, 5612], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([9565], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([0, 0, 0, 0], [2, 1, 2])]),
      OperatorExample(
        "no axes", attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [.floats([-3, 2], [2])], outputs: [.floats([9, 4], [2])]),
      OperatorExample(
        "integers", inputs: [.integers([3, -4], [2])],
        outputs: [.integers([25], [1])]),
    ]
  }
}
