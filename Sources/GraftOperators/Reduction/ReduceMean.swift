import GraftExecution
import GraftFiles
import GraftGraph

/// The mean over axes; for integers rounded toward zero, and 0 for no elements.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceMean.html>
package struct ReduceMean: ReduceOperator {
  package static let schema = OperatorSchema(
    "ReduceMean", since: [1, 11, 13, 18], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  package func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.sumKernel(
      axes: axes, of: .element, finish: MeanOfSum.self,
      finishInteger: IntegerMean.self)
  }

  /// dx = dy / n, for n elements per output
  package func gradient(_ builder: inout GradientBuilder) throws {
    let input = try builder.input(0)
    let inputCount = builder.add("CastLike", [builder.add("Size", [input]), input])
    let outputSize = builder.add("Size", [try builder.output(0)])
    let outputCount = builder.add("CastLike", [outputSize, input])
    let count = builder.add("Div", [inputCount, outputCount])
    let gradient = try expandedGradient(&builder)
    builder.setInputGradient(0, builder.add("Div", [gradient, count]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([12.5, 1.5, 5, 1.5, 57.5, -0.5], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([5.5, 20.33333], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([12.91667], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([.nan, .nan, .nan, .nan], [2, 1, 2])]),
      OperatorExample(
        "integers", inputs: [.integers([-3, -4, 0], [3])],
        outputs: [.integers([-2], [1])]),
    ]
  }
}

private enum IntegerMean: IntegerFinish {
  static func finish<Element: FixedWidthInteger>(_ sum: Element, count: Int) -> Element {
    guard count > 0 else { return 0 }
    // The count is that of elements in memory, so that it fits the 64-bit accumulators.
    return sum / Element(truncatingIfNeeded: count)
  }
}

private enum MeanOfSum: SumFinish {
  @inline(__always)
  static func finish(_ sum: Double, count: Int) -> Double { sum / Double(count) }
}
