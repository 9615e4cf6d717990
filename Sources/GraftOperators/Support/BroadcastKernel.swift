import GraftExecution
import GraftTensor

/// How two elements become one.
protocol ElementOperation<Left, Right, Result>: Sendable {
  associatedtype Left
  associatedtype Right
  associatedtype Result
  static func apply(_ left: Left, _ right: Right) throws -> Result
}

/// Loops over a row of two operands, one of which may stay on one element.
struct BinaryRows<Left, Right, Result>: Sendable {
  typealias Loop =
    @Sendable (
      _ left: UnsafePointer<Left>, _ right: UnsafePointer<Right>,
      _ result: UnsafeMutablePointer<Result>, _ count: Int
    ) throws -> Void

  let vectorVector: Loop
  /// Reads one element of the right operand.
  let vectorScalar: Loop
  /// Reads one element of the left operand.
  let scalarVector: Loop

  init(
    vectorVector: @escaping Loop, vectorScalar: @escaping Loop, scalarVector: @escaping Loop
  ) {
    self.vectorVector = vectorVector
    self.vectorScalar = vectorScalar
    self.scalarVector = scalarVector
  }

  init<Operation: ElementOperation<Left, Right, Result>>(_: Operation.Type) {
    vectorVector = { left, right, result, count in
      for index in 0..<count { result[index] = try Operation.apply(left[index], right[index]) }
    }
    vectorScalar = { left, right, result, count in
      let scalar = right.pointee
      for index in 0..<count { result[index] = try Operation.apply(left[index], scalar) }
    }
    scalarVector = { left, right, result, count in
      let scalar = left.pointee
      for index in 0..<count { result[index] = try Operation.apply(scalar, right[index]) }
    }
  }

  func loop(for rows: StridedRows) -> Loop {
    switch (rows.innerStrides[0], rows.innerStrides[1]) {
    case (0, 0):
      let once = vectorVector
      return { left, right, result, count in
        try once(left, right, result, 1)
        (result + 1).update(repeating: result.pointee, count: count - 1)
      }
    case (0, _): return scalarVector
    case (_, 0): return vectorScalar
    default: return vectorVector
    }
  }
}

/// An input after the second. Not a tuple, since a function in a tuple is wrapped in new memory
/// each time it is read.
private struct FoldedOperand<Element>: Sendable {
  let index: Int
  let rows: StridedRows
  let loop: BinaryRows<Element, Element, Element>.Loop
}

extension PrepareContext {
  /// The elements of a task with a few operations per element.
  static var elementwiseGrain: Int { 16384 }

  /// A kernel that combines inputs 0 and 1, broadcast to the shape of output 0.
  func binaryKernel<Left, Right, Result>(
    _ loops: BinaryRows<Left, Right, Result>, grain: Int = elementwiseGrain
  ) throws -> PreparedKernel {
    let rows = StridedRows(
      broadcasting: [try input(0).shape, try input(1).shape], to: try output(0).shape)
    let loop = loops.loop(for: rows)
    return .parallel(
      count: rows.elementCount, grain: grain, inPlaceInputs: try inPlaceInputs(among: [0, 1])
    ) { arguments, range in
      let left = arguments.input(0, as: Left.self)
      let right = arguments.input(1, as: Right.self)
      let result = arguments.output(0, as: Result.self)
      try rows.forEachRow(in: range) { offsets, position, count in
        try loop(left + offsets[0], right + offsets[1], result + position, count)
      }
    }
  }

  /// A kernel that combines any number of inputs from left to right, broadcast to the shape of
  /// output 0.
  ///
  /// - Parameter finish: changes a run of results in place, after all inputs
  func foldKernel<Element>(
    _ loops: BinaryRows<Element, Element, Element>,
    finish: (@Sendable (UnsafeMutablePointer<Element>, Int) -> Void)? = nil
  ) throws -> PreparedKernel {
    if inputs.count == 1 { return .alias(input: 0) }
    if inputs.count == 2, finish == nil { return try binaryKernel(loops) }
    let shape = try output(0).shape
    let first = StridedRows(
      broadcasting: [try input(0).shape, try input(1).shape], to: shape)
    let firstLoop = loops.loop(for: first)
    let others = try (2..<inputs.count).map { index in
      let rows = StridedRows(broadcasting: [shape, try input(index).shape], to: shape)
      return FoldedOperand(index: index, rows: rows, loop: loops.loop(for: rows))
    }
    // With three or more inputs, a repeated one is read after the result was started.
    return .parallel(
      count: first.elementCount, grain: Self.elementwiseGrain,
      inPlaceInputs: inputs.count == 2 ? try inPlaceInputs(among: [0, 1]) : []
    ) { arguments, range in
      let left = arguments.input(0, as: Element.self)
      let right = arguments.input(1, as: Element.self)
      let result = arguments.output(0, as: Element.self)
      try first.forEachRow(in: range) { offsets, position, count in
        try firstLoop(left + offsets[0], right + offsets[1], result + position, count)
      }
      for other in others {
        let operand = arguments.input(other.index, as: Element.self)
        try other.rows.forEachRow(in: range) { offsets, position, count in
          try other.loop(result + offsets[0], operand + offsets[1], result + position, count)
        }
      }
      finish?(result + range.lowerBound, range.count)
    }
  }

  /// The inputs whose elements have the same layout as output 0.
  func inPlaceInputs(among candidates: [Int]) throws -> [Int] {
    let output = try output(0)
    return try candidates.filter {
      let input = try input($0)
      return input.shape == output.shape
        && input.elementType.byteWidth == output.elementType.byteWidth
    }
  }
}
