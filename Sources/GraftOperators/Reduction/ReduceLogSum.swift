import GraftExecution
import GraftFiles
import GraftGraph

/// The logarithm of the sum over axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceLogSum.html>
struct ReduceLogSum: ReduceOperator {
  static let schema = OperatorSchema(
    "ReduceLogSum", since: [1, 11, 13, 18, 28], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(axes: axes, of: .element, finish: LogarithmOfSum.self)
  }

  /// dx = dy / exp y
  func gradient(_ builder: inout GradientBuilder) throws {
    let sum = builder.add("Exp", [restoringAxes(try builder.output(0), &builder)])
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let quotient = builder.add("Div", [gradient, sum])
    let shape = builder.add("Shape", [try builder.input(0)])
    builder.setInputGradient(0, builder.add("Expand", [quotient, shape]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([3.218876, 1.098612, 4.248495, 1.098612, 4.744932, 1.098612], [3, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([4.532599, 4.836282], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2], [3, 2, 2])],
        outputs: [.floats([5.389072], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([-.infinity, -.infinity, -.infinity, -.infinity], [2, 1, 2])]),
    ]
  }
}

private enum LogarithmOfSum: SumFinish {
  @inline(__always)
  static func finish(_ sum: Double, count: Int) -> Double { log(sum) }
}
