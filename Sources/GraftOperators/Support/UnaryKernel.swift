import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// Maps `count` elements of `x` to those of `y`, which may be the same memory.
typealias UnaryBody<Element> =
  @Sendable (_ x: UnsafePointer<Element>, _ y: UnsafeMutablePointer<Element>, _ count: Int) -> Void

extension PrepareContext {
  /// A kernel that maps each element of input 0 to one of output 0, both of the same type.
  ///
  /// float16 and bfloat16 are computed in float. The narrower integers are computed in int64;
  /// uint64 by `uint64`, or without it by `int64` on the same bits.
  func unaryKernel(
    float: @escaping UnaryBody<Float>, double: @escaping UnaryBody<Double>,
    int64: UnaryBody<Int64>? = nil, uint64: UnaryBody<UInt64>? = nil
  ) throws -> PreparedKernel {
    let type = try input(0).elementType
    switch type {
    case .float: return try elementwise(float)
    case .double: return try elementwise(double)
    case .float16, .bfloat16: return try blockwise(float)
    case .int64:
      if let int64 { return try elementwise(int64) }
    case .uint64:
      if let uint64 { return try elementwise(uint64) }
      if let int64 { return try elementwise(int64) }
    default:
      if type.isInteger, let int64 { return try blockwise(int64) }
    }
    throw GraftError.unsupported("no kernel for element type \(type)")
  }

  /// The same, with a C function for float, and element by element for other types.
  func unaryKernel(
    _ function: FloatFunction?, double: @escaping @Sendable (Double) -> Double,
    int64: (@Sendable (Int64) -> Int64)? = nil, uint64: (@Sendable (UInt64) -> UInt64)? = nil
  ) throws -> PreparedKernel {
    let float = try vectorFunction { table in function.flatMap { $0.select(table) } }
    let (alpha, beta) = (function?.alpha ?? 0, function?.beta ?? 0)
    return try unaryKernel(
      float: { x, y, count in float(x, y, count, alpha, beta) }, double: each(double),
      int64: int64.map(each), uint64: uint64.map(each))
  }

  /// The same, element by element.
  func unaryKernel(
    float: @escaping @Sendable (Float) -> Float, double: @escaping @Sendable (Double) -> Double
  ) throws -> PreparedKernel {
    try unaryKernel(float: each(float), double: each(double))
  }

  /// The function in ``graft_unary_table`` for the plan's instruction set.
  func vectorFunction(
    _ function: (graft_unary_table) -> graft_unary_function?
  ) throws -> graft_unary_function {
    guard let function = function(instructionSet.kernels.pointee.unary.pointee) else {
      throw GraftError(.software, "a function is missing in the table of unary kernels")
    }
    return function
  }

  private func elementwise<Element>(_ body: @escaping UnaryBody<Element>) throws -> PreparedKernel {
    PreparedKernel.parallel(
      count: try input(0).elementCount, grain: 16384, inPlaceInputs: [0]
    ) { arguments, range in
      body(
        arguments.input(0, as: Element.self) + range.lowerBound,
        arguments.output(0, as: Element.self) + range.lowerBound, range.count)
    }
  }

  /// Computes in `Wide`, converting a block of elements at a time.
  private func blockwise<Wide: TensorElement>(
    _ body: @escaping UnaryBody<Wide>
  ) throws -> PreparedKernel {
    let blockCount = 1024
    let input = try input(0)
    let type = input.elementType
    return PreparedKernel.parallel(
      count: input.elementCount, grain: 16384,
      workerScratchByteCount: blockCount * MemoryLayout<Wide>.stride, inPlaceInputs: [0]
    ) { arguments, range in
      let source = arguments.input(0)
      let destination = arguments.output(0)
      guard let scratch = arguments.workerScratch else { return }
      let block = scratch.assumingMemoryBound(to: Wide.self)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
        let count = min(blockCount, range.upperBound - start)
        let offset = start * type.byteWidth
        try ElementConversion.convert(
          source + offset, type, to: scratch, Wide.elementType, count: count)
        body(block, block, count)
        try ElementConversion.convert(
          scratch, Wide.elementType, to: destination + offset, type, count: count)
      }
    }
  }
}

/// The body that applies `function` to each element.
private func each<Element>(
  _ function: @escaping @Sendable (Element) -> Element
) -> UnaryBody<Element> {
  { x, y, count in
    for index in 0..<count { y[index] = function(x[index]) }
  }
}
