import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The smallest element over axes; NaN takes precedence, and true is larger than false.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceMin.html>
struct ReduceMin: ReduceOperator {
  static let schema = OperatorSchema(
    "ReduceMin", since: [1, 11, 12, 13, 18, 20], sameSince: 18, inputs: 1...2)
  static let widening = Widening.isExact

  static var elementTypes: Set<ElementType> {
    .floatingPoint.union([.int8, .int32, .int64, .uint8, .uint32, .uint64, .bool])
  }

  let form: ReductionForm

  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    try context.extremeKernel(axes: axes, Minimum.self)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try setGradientOfExtreme(&builder)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([5, 1, -30, 1, 55, -2], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([-30, -2], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([-30], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([.infinity, .infinity, .infinity, .infinity], [2, 1, 2])]),
      OperatorExample(
        "truth values",
        inputs: [.bools([true, false, false, false], [2, 2]), .integers([1], [1])],
        outputs: [.bools([false, false], [2, 1])]),
      OperatorExample(
        "no truth values", inputs: [.bools([], [0]), .integers([0], [1])],
        outputs: [.bools([true], [1])]),
      OperatorExample(
        "NaN", inputs: [.floats([1, .nan, 3], [3])], outputs: [.floats([.nan], [1])]),
      OperatorExample(
        "integers", inputs: [.integers([-1, 5, 3], [3])],
        outputs: [.integers([-1], [1])]),
    ]
  }
}
