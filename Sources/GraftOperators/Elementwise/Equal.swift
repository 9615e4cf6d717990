import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Whether a = b, with broadcasting; also for Booleans and strings.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Equal.html>
package struct Equal: ComparisonOperator {
  package static let schema = OperatorSchema(
    "Equal", since: [1, 7, 11, 13, 19], sameSince: 7, inputs: 2...2)
  package static let isCommutative = true

  @inline(__always)
  static func holds<Element: Comparable>(_ left: Element, _ right: Element) -> Bool {
    left == right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_compare_f32_rows { table.equal }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers.union([.bool, .string]))
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(.bool, inputs: [0, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .bool: try context.binaryKernel(BinaryRows(SameTruth.self))
    case .string: try stringKernel(context)
    default: try context.comparisonKernel(Equal.self)
    }
  }

  private func stringKernel(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.output(0).shape
    let rows = StridedRows(
      broadcasting: [try context.input(0).shape, try context.input(1).shape], to: shape)
    return .dynamic { inputs in
      guard let left = try inputs[0]?.tensor.strings, let right = try inputs[1]?.tensor.strings
      else { throw GraftError.badData("an input is missing") }
      var results = [Bool](repeating: false, count: rows.elementCount)
      rows.forEachRow(in: 0..<rows.elementCount) { offsets, position, count in
        for index in 0..<count {
          results[position + index] =
            ByteString(left[offsets[0] + index * rows.innerStrides[0]])
            == ByteString(right[offsets[1] + index * rows.innerStrides[1]])
        }
      }
      return [.tensor(try Tensor(results, shape: shape))]
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "broadcast", inputs: [.floats([1, 2, 3, 2], [2, 2]), .floats([1, 2], [2])],
        outputs: [.bools([true, true, false, true], [2, 2])]),
      OperatorExample(
        "NaN and zeros",
        inputs: [.floats([.nan, 0, .infinity], [3]), .floats([.nan, -0.0, .infinity], [3])],
        outputs: [.bools([false, true, true], [3])]),
      OperatorExample(
        "integers beyond the precision of double",
        inputs: [.integers([9007199254740993, 5], [2]), .integers([9007199254740992, 5], [2])],
        outputs: [.bools([false, true], [2])]),
      OperatorExample(
        "truth values", inputs: [.bools([true, false], [2, 1]), .bools([true, false], [2])],
        outputs: [.bools([true, false, false, true], [2, 2])]),
      OperatorExample(
        "strings", inputs: [.strings(["a", "b", "c"], [3]), .strings(["b"], [1])],
        outputs: [.bools([false, true, false], [3])]),
      OperatorExample(
        "strings by their bytes, equivalent or not",
        inputs: [
          .strings(["\u{e9}", "e\u{301}", "\u{212a}"], [3]),
          .strings(["e\u{301}", "e\u{301}", "K"], [3]),
        ],
        outputs: [.bools([false, true, false], [3])]),
    ]
  }
}

private enum SameTruth: ElementOperation {
  @inline(__always)
  static func apply(_ left: UInt8, _ right: UInt8) -> UInt8 {
    (left != 0) == (right != 0) ? 1 : 0
  }
}
