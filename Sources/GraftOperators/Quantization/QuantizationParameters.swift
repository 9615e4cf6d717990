import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The scales and zero points of a node as floats and int32: converted at plan time if they are
/// constant, otherwise by the kernel's first phase.
struct QuantizationParameters: Sendable {
  private let scales: ConvertedInput
  private let zeroPoints: ConvertedInput?
  /// The zero points where the node has none.
  private let zeros: [Int32]

  /// - Parameters:
  ///   - scale: the input with the scales
  ///   - zeroPoint: the input with the zero points, which may be omitted
  init(
    scale: Int, zeroPoint: Int, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws {
    scales = try ConvertedInput(scale, to: .float, scratch: &scratch, context)
    zeroPoints =
      context.hasInput(zeroPoint)
      ? try ConvertedInput(zeroPoint, to: .int32, scratch: &scratch, context) : nil
    zeros =
      zeroPoints == nil
      ? [Int32](repeating: 0, count: try context.input(scale).elementCount)
      : []
  }

  /// Converts what is not constant.
  var phase: PreparedKernel.Phase? {
    let inputs = [scales, zeroPoints].compactMap { $0 }.filter { !$0.isConstant }
    guard !inputs.isEmpty else { return nil }
    return PreparedKernel.Phase(taskCount: inputs.count) { arguments, task in
      try inputs[task].convert(arguments)
    }
  }

  /// Calls `body` with the scales and zero points.
  func withPointers(
    _ arguments: KernelArguments,
    _ body: (UnsafePointer<Float>, UnsafePointer<Int32>) throws -> Void
  ) rethrows {
    guard let scales = scales.pointer(arguments)?.assumingMemoryBound(to: Float.self) else {
      return
    }
    if let zeroPoints = zeroPoints?.pointer(arguments) {
      try body(scales, zeroPoints.assumingMemoryBound(to: Int32.self))
      return
    }
    try zeros.withUnsafeBufferPointer { zeros in
      guard let base = zeros.baseAddress else { return }
      try body(scales, base)
    }
  }
}

/// An input in another element type: converted at plan time if it is constant, otherwise when the
/// kernel runs.
struct ConvertedInput: Sendable {
  private enum Place {
    case input
    case constant(Tensor)
    /// In scratch memory, at this offset in bytes.
    case scratch(Int)
  }

  private let index: Int
  private let source: ElementType
  private let target: ElementType
  private let count: Int
  private let place: Place

  init(
    _ index: Int, to target: ElementType, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws {
    let input = try context.input(index)
    self.index = index
    self.target = target
    source = input.elementType
    count = input.elementCount
    if let constant = input.constant, source == target, constant.isAligned {
      place = .constant(constant)
    } else if let constant = input.constant {
      let constant = constant.isAligned ? constant : try constant.copied()
      let converted = try Tensor(zeros: target, shape: constant.shape)
      try ElementConversion.convert(
        constant.baseAddress, source, to: converted.baseAddress, target, count: count)
      place = .constant(converted)
    } else if source == target {
      place = .input
    } else {
      place = .scratch(try scratch.reserve(byteCount: count * target.byteWidth))
    }
  }

  /// Whether nothing must be converted when the kernel runs.
  var isConstant: Bool { if case .scratch = place { false } else { true } }

  func convert(_ arguments: KernelArguments) throws {
    guard case .scratch(let offset) = place, let scratch = arguments.scratch else { return }
    try ElementConversion.convert(
      arguments.input(index), source, to: scratch + offset, target, count: count)
  }

  func pointer(_ arguments: KernelArguments) -> UnsafeRawPointer? {
    switch place {
    case .input: arguments.input(index)
    case .constant(let tensor): UnsafeRawPointer(tensor.baseAddress)
    case .scratch(let offset): arguments.scratch.map { UnsafeRawPointer($0 + offset) }
    }
  }
}

extension ScratchLayout {
  /// The offset of `byteCount` bytes.
  ///
  /// - Throws: `GraftError` if the size exceeds the address space
  mutating func reserve(byteCount: Int) throws -> Int {
    try reserve(floatCount: byteCount / MemoryLayout<Float>.size + 1)
  }
}

extension ElementType {
  /// The integer of quantized kernels whose bytes hold this type; `nil` if there is none.
  var quantizedInteger: Int32? {
    switch self {
    case .uint8, .uint4, .uint2: Int32(GRAFT_INTEGER_U8)
    case .int8, .int4, .int2: Int32(GRAFT_INTEGER_I8)
    case .uint16: Int32(GRAFT_INTEGER_U16)
    case .int16: Int32(GRAFT_INTEGER_I16)
    case .int32: Int32(GRAFT_INTEGER_I32)
    default: nil
    }
  }

  /// The numbers of an integer type of at most 32 bits.
  package var integerRange: ClosedRange<Int32> {
    let largest = Int32.max >> Int32(32 - min(bitWidth, 32))
    return isSignedInteger ? -largest - 1...largest : 0...(bitWidth < 32 ? 2 * largest + 1 : .max)
  }
}

extension Set<ElementType> {
  /// What QuantizeLinear makes.
  static let quantized: Self = [
    .int2, .uint2, .int4, .uint4, .int8, .uint8, .int16, .uint16, .float8e4m3fn, .float8e4m3fnuz,
    .float8e5m2, .float8e5m2fnuz, .float4e2m1,
  ]
  /// The operands of integer products.
  static let bytes: Self = [.int8, .uint8]
}
