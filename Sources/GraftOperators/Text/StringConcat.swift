import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Joins the strings of two tensors, element by element, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__StringConcat.html>
struct StringConcat: Operator {
  static let schema = OperatorSchema("StringConcat", since: [20], inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.string])
    try context.require(1, [.string])
    try context.setBroadcastOutput(.string, inputs: [0, 1])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.output(0).shape
    let rows = StridedRows(
      broadcasting: [try context.input(0).shape, try context.input(1).shape], to: shape)
    return .growing { inputs, memory in
      guard let left = try inputs[0]?.tensor.strings, let right = try inputs[1]?.tensor.strings
      else { throw GraftError.badData("an input is missing") }
      func forEachPair(_ body: (String, String) -> Void) {
        rows.forEachRow(in: 0..<rows.elementCount) { offsets, _, count in
          for index in 0..<count {
            body(
              left[offsets[0] + index * rows.innerStrides[0]],
              right[offsets[1] + index * rows.innerStrides[1]])
          }
        }
      }
      // Each such node may double the length of its strings.
      var (byteCount, isTooLarge) = (try Tensor.memoryByteCount(.string, shape), false)
      forEachPair { left, right in
        let (sum, overflow) = byteCount.addingReportingOverflow(left.utf8.count + right.utf8.count)
        (byteCount, isTooLarge) = (sum, isTooLarge || overflow)
      }
      try memory.require([isTooLarge ? .max : byteCount])
      var strings: [String] = []
      strings.reserveCapacity(rows.elementCount)
      forEachPair { strings.append($0 + $1) }
      return [.tensor(try Tensor(strings: strings, shape: shape))]
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two vectors", inputs: [.strings(["abc", "def"], [2]), .strings([".com", ".net"], [2])],
        outputs: [.strings(["abc.com", "def.net"], [2])]),
      OperatorExample(
        "broadcast",
        inputs: [.strings(["a", "b"], [2, 1]), .strings(["", "é", "\u{301}"], [3])],
        outputs: [.strings(["a", "aé", "a\u{301}", "b", "bé", "b\u{301}"], [2, 3])]),
      OperatorExample(
        "empty", inputs: [.strings([], [0, 1]), .strings(["x", "y"], [2])],
        outputs: [.strings([], [0, 2])]),
    ]
  }
}
