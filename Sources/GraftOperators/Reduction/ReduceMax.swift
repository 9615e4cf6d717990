import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The largest element over axes; NaN takes precedence, and true is larger than false.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceMax.html>
package struct ReduceMax: ReduceOperator {
  package static let schema = OperatorSchema(
    "ReduceMax", since: [1, 11, 12, 13, 18, 20], sameSince: 18, inputs: 1...2)
  package static let widening = Widening.isExact

  static var elementTypes: Set<ElementType> {
    .floatingPoint.union([.int8, .int32, .int64, .uint8, .uint32, .uint64, .bool])
  }

  let form: ReductionForm

  package func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.extremeKernel(axes: axes, Maximum.self)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try setGradientOfExtreme(&builder)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([20, 2, 40, 2, 60, 1], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([55, 60], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([60], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([-.infinity, -.infinity, -.infinity, -.infinity], [2, 1, 2])]),
      OperatorExample(
        "truth values",
        inputs: [.bools([true, false, false, false], [2, 2]), .integers([1], [1])],
        outputs: [.bools([true, false], [2, 1])]),
      OperatorExample(
        "no truth values", inputs: [.bools([], [0]), .integers([0], [1])],
        outputs: [.bools([false], [1])]),
      OperatorExample(
        "NaN", inputs: [.floats([1, .nan, 3], [3])], outputs: [.floats([.nan], [1])]),
      OperatorExample(
        "integers", inputs: [.integers([-1, 5, 3], [3])],
        outputs: [.integers([5], [1])]),
    ]
  }
}
