import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Elements of x where the condition holds, of y elsewhere, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Where.html>
package struct Where: Operator {
  package static let schema = OperatorSchema("Where", since: [9, 16], sameSince: 9, inputs: 3...3)
  package static let operandCount = 3
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.bool])
    try context.requireSameElementType([1, 2])
    try context.setBroadcastOutput(try context.elementType(1), inputs: [0, 1, 2])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let rows = StridedRows(
      broadcasting: try (0...2).map { try context.input($0).shape },
      to: try context.output(0).shape)
    let type = try context.output(0).elementType
    if type == .string { return stringKernel(rows, shape: try context.output(0).shape) }
    let inPlaceInputs = try context.inPlaceInputs(among: [0, 1, 2])
    func kernel<Element>(_: Element.Type) -> PreparedKernel {
      Self.kernel(rows, loop: Self.loop(Element.self, rows.innerStrides), inPlaceInputs)
    }
    switch type.byteWidth {
    case 1: return kernel(UInt8.self)
    case 2: return kernel(UInt16.self)
    case 4:
      guard rows.innerStrides == [1, 1, 1] else { return kernel(UInt32.self) }
      let select = context.instructionSet.kernels.pointee.binary.pointee.select_32
      guard let select else { return kernel(UInt32.self) }
      let function = SelectFunction(select: select)
      return Self.kernel(
        rows, loop: { function.select($0, $1, $2, $3, Int64($4)) }, inPlaceInputs)
    case 8: return kernel(UInt64.self)
    default: return kernel(SIMD2<UInt64>.self)
    }
  }

  /// A stateless function in C.
  private struct SelectFunction: @unchecked Sendable {
    let select:
      @convention(c) (
        UnsafePointer<UInt8>?, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?,
        UnsafeMutablePointer<UInt32>?, Int64
      ) -> Void
  }

  private typealias Loop<Element> =
    @Sendable (
      _ condition: UnsafePointer<UInt8>, _ left: UnsafePointer<Element>,
      _ right: UnsafePointer<Element>, _ result: UnsafeMutablePointer<Element>, _ count: Int
    ) -> Void

  /// A loop for operands with these strides, each 0 or 1.
  private static func loop<Element>(_: Element.Type, _ strides: [Int]) -> Loop<Element> {
    switch (strides[0], strides[1], strides[2]) {
    case (1, 1, 1):
      { condition, left, right, result, count in
        for index in 0..<count {
          result[index] = condition[index] != 0 ? left[index] : right[index]
        }
      }
    case (1, 0, 1):
      { condition, left, right, result, count in
        let left = left.pointee
        for index in 0..<count { result[index] = condition[index] != 0 ? left : right[index] }
      }
    case (1, 1, 0):
      { condition, left, right, result, count in
        let right = right.pointee
        for index in 0..<count { result[index] = condition[index] != 0 ? left[index] : right }
      }
    case (1, 0, 0):
      { condition, left, right, result, count in
        let left = left.pointee
        let right = right.pointee
        for index in 0..<count { result[index] = condition[index] != 0 ? left : right }
      }
    case (_, let leftStride, let rightStride):
      { condition, left, right, result, count in
        let (source, stride) = condition.pointee != 0 ? (left, leftStride) : (right, rightStride)
        if stride == 0 {
          result.update(repeating: source.pointee, count: count)
        } else {
          result.update(from: source, count: count)
        }
      }
    }
  }

  private static func kernel<Element>(
    _ rows: StridedRows, loop: @escaping Loop<Element>, _ inPlaceInputs: [Int]
  ) -> PreparedKernel {
    .parallel(
      count: rows.elementCount, grain: PrepareContext.elementwiseGrain,
      inPlaceInputs: inPlaceInputs
    ) { arguments, range in
      let condition = arguments.input(0, as: UInt8.self)
      let left = arguments.input(1, as: Element.self)
      let right = arguments.input(2, as: Element.self)
      let result = arguments.output(0, as: Element.self)
      rows.forEachRow(in: range) { offsets, position, count in
        loop(
          condition + offsets[0], left + offsets[1], right + offsets[2], result + position, count)
      }
    }
  }

  private func stringKernel(_ rows: StridedRows, shape: Shape) -> PreparedKernel {
    .dynamic { inputs in
      guard let condition = try inputs[0]?.tensor.integers(),
        let left = try inputs[1]?.tensor.strings, let right = try inputs[2]?.tensor.strings
      else { throw GraftError.badData("an input is missing") }
      var results = [String](repeating: "", count: rows.elementCount)
      rows.forEachRow(in: 0..<rows.elementCount) { offsets, position, count in
        for index in 0..<count {
          let places = (0...2).map { offsets[$0] + index * rows.innerStrides[$0] }
          results[position + index] =
            condition[places[0]] != 0 ? left[places[1]] : right[places[2]]
        }
      }
      return [.tensor(try Tensor(strings: results, shape: shape))]
    }
  }

  /// dx = dy where the condition holds, dy' = dy elsewhere
  package func gradient(_ builder: inout GradientBuilder) throws {
    let condition = try builder.input(0)
    let gradient = try builder.outputGradient()
    let zero = try builder.addScalar(0, like: gradient)
    if builder.needs(1) {
      try builder.setBroadcastInputGradient(
        1, builder.add("Where", [condition, gradient, zero]))
    }
    if builder.needs(2) {
      try builder.setBroadcastInputGradient(
        2, builder.add("Where", [condition, zero, gradient]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "same shape",
        inputs: [
          .bools([true, false, true, true], [2, 2]), .floats([1, 2, 3, 4], [2, 2]),
          .floats([9, 8, 7, 6], [2, 2]),
        ],
        outputs: [.floats([1, 8, 3, 4], [2, 2])], differentiableInputs: [1, 2]),
      OperatorExample(
        "all broadcast",
        inputs: [.bools([true, false], [2, 1]), .floats([1, 2, 3], [3]), .floats([0.5], [])],
        outputs: [.floats([1, 2, 3, 0.5, 0.5, 0.5], [2, 3])], differentiableInputs: [1, 2]),
      OperatorExample(
        "scalars",
        inputs: [.bools([true, false, true], [3]), .integers([1], []), .integers([-1], [1])],
        outputs: [.integers([1, -1, 1], [3])]),
      OperatorExample(
        "strings",
        inputs: [.bools([true, false], [2]), .strings(["a", "b"], [2]), .strings(["c"], [])],
        outputs: [.strings(["a", "c"], [2])]),
    ]
  }
}
