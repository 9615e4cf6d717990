import GraftExecution
import GraftFiles
import GraftGraph

/// The square root of the sum of the squares over axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceL2.html>
struct ReduceL2: ReduceOperator {
  static let schema = OperatorSchema(
    "ReduceL2", since: [1, 11, 13, 18], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(axes: axes, of: .square, finish: RootOfSum.self)
  }

  /// dx = dy · x / y, and 0 where y is 0
  func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let norm = restoringAxes(try builder.output(0), &builder)
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let zero = try builder.addScalar(0, like: input)
    let isZero = builder.add("Equal", [norm, zero])
    let quotient = builder.add("Div", [gradient, norm])
    let scale = builder.add("Where", [isZero, zero, quotient])
    builder.setInputGradient(0, builder.add("Mul", [input, scale]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([20.61553, 2.236068, 50, 2.236068, 81.3941, 2.236068], [3, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([62.87289, 74.91328], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([97.80082], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([0, 0, 0, 0], [2, 1, 2])]),
      OperatorExample(
        "no axes", attributes: ["noop_with_empty_axes": .int(1)],
        inputs: [.floats([-3, 2], [2])], outputs: [.floats([3, 2], [2])]),
      OperatorExample(
        "integers", inputs: [.integers([3, -4], [2])],
        outputs: [.integers([5], [1])]),
    ]
  }
}

private enum RootOfSum: SumFinish {
  @inline(__always)
  static func finish(_ sum: Double, count: Int) -> Double { sum.squareRoot() }
}
