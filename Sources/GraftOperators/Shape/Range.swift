import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The numbers from `start` to `limit`, exclusive, in steps of `delta`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Range.html>
package struct RangeOperator: Operator {
  package static let schema = OperatorSchema(
    "Range", since: [11, 27], sameSince: 11, inputs: 3...3)

  private static let integers: Set<ElementType> = [.int16, .int32, .int64]

  /// float16 and bfloat16 are always computed in double, which is at least as precise as any stash
  /// type.
  package init(_ attributes: AttributeReader) throws {
    let stashType = try attributes.elementType("stash_type") ?? .float
    guard [.float, .double, .float16, .bfloat16].contains(stashType) else {
      throw GraftError.badData("attribute 'stash_type' is \(stashType); expected a floating type")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, [.unknown])
    try context.require(0, .floatingPoint.union(RangeOperator.integers))
    try context.requireSameElementType([0, 1, 2])
    let count = try numbers((0...2).map { try context.contents($0) }).count
    context.setOutput(0, elementType, [.known(count)])
  }

  /// The decoded start, limit and delta.
  private enum Numbers {
    case integers(start: Int64, delta: Int64, count: Int)
    case reals(start: Double, delta: Double, count: Int)

    var count: Int {
      switch self {
      case .integers(_, _, let count), .reals(_, _, let count): count
      }
    }
  }

  private func numbers(_ inputs: [Tensor]) throws -> Numbers {
    for (index, input) in inputs.enumerated() where input.elementCount != 1 {
      throw GraftError.badData("input \(index) has shape \(input.shape); expected a scalar")
    }
    if RangeOperator.integers.contains(inputs[0].elementType) {
      let (start, limit, delta) = (
        try inputs[0].integers()[0], try inputs[1].integers()[0], try inputs[2].integers()[0]
      )
      guard delta != 0 else { throw GraftError.badData("the step of the range is 0") }
      guard delta > 0 ? limit > start : limit < start else {
        return .integers(start: Int64(start), delta: Int64(delta), count: 0)
      }
      let distance =
        limit > start ? UInt(bitPattern: limit &- start) : UInt(bitPattern: start &- limit)
      let count = (distance - 1) / delta.magnitude + 1
      guard let count = Int(exactly: count) else {
        throw GraftError.badData("the range from \(start) to \(limit) is too long")
      }
      _ = try [count].checkedElementCount()
      return .integers(start: Int64(start), delta: Int64(delta), count: count)
    }
    let reals = try inputs.map { input -> Double in
      let wide = try Tensor(zeros: .double, shape: [])
      try ElementConversion.convert(
        input.baseAddress, input.elementType, to: wide.baseAddress, .double, count: 1)
      return try wide.elements(as: Double.self)[0]
    }
    let exact = ((reals[1] - reals[0]) / reals[2]).rounded(.up)
    guard reals[2] != 0, exact < 0x1p48 else {
      throw GraftError.badData(
        "there is no range from \(reals[0]) to \(reals[1]) in steps of \(reals[2])")
    }
    return .reals(start: reals[0], delta: reals[2], count: Int(max(0, exact)))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.output(0).elementType
    let inputs = try (0...2).map { index -> Tensor in
      guard let constant = context.constant(index) else {
        throw GraftError(.software, "input \(index) should be known at plan time")
      }
      return constant
    }
    switch try numbers(inputs) {
    case .integers(let start, let delta, let count):
      return kernel(count) { output, range in
        for index in range {
          let number = start &+ Int64(index) &* delta
          switch type {
          case .int16:
            output.assumingMemoryBound(to: Int16.self)[index] = Int16(truncatingIfNeeded: number)
          case .int32:
            output.assumingMemoryBound(to: Int32.self)[index] = Int32(truncatingIfNeeded: number)
          default: output.assumingMemoryBound(to: Int64.self)[index] = number
          }
        }
      }
    case .reals(let start, let delta, let count):
      return kernel(count) { output, range in
        for index in range {
          let number = start + Double(index) * delta
          switch type {
          case .float: output.assumingMemoryBound(to: Float.self)[index] = Float(number)
          case .float16: output.assumingMemoryBound(to: Float16.self)[index] = Float16(number)
          case .bfloat16:
            output.assumingMemoryBound(to: BFloat16.self)[index] = BFloat16(rounding: number)
          default: output.assumingMemoryBound(to: Double.self)[index] = number
          }
        }
      }
    }
  }

  private func kernel(
    _ count: Int, _ body: @escaping @Sendable (UnsafeMutableRawPointer, Range<Int>) -> Void
  ) -> PreparedKernel {
    .parallel(count: count, grain: 16384) { arguments, range in body(arguments.output(0), range) }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", inputs: [.floats([1], []), .floats([5], []), .floats([2], [])],
        outputs: [.floats([1, 3], [2])]),
      OperatorExample(
        "integers, downwards",
        inputs: [.integers([10], []), .integers([4], []), .integers([-3], [])],
        outputs: [.integers([10, 7], [2])]),
      OperatorExample(
        "empty", inputs: [.integers([3], []), .integers([3], []), .integers([1], [])],
        outputs: [.integers([], [0])]),
    ]
  }
}
