import GraftExecution
import GraftFiles
import GraftTensor

/// An operand in a kernel's own layout: packed at plan time if it is constant, otherwise by the
/// kernel's first phase in scratch memory.
struct PackedOperand: Sendable {
  /// Where the packed form is. Kernels that look often keep it beside the operand, as it is copied
  /// at no cost.
  enum Place: Sendable {
    /// The input already has that layout.
    case input(Int)
    /// The address of what was packed at plan time.
    case packed(UInt)
    /// Packed when the kernel runs, at this offset in its scratch memory, in bytes.
    case scratch(Int)

    func address(_ arguments: KernelArguments) -> UnsafeRawPointer? {
      switch self {
      case .input(let input): arguments.input(input)
      case .packed(let address): UnsafeRawPointer(bitPattern: address)
      case .scratch(let offset): UnsafeRawPointer(arguments.scratch)?.advanced(by: offset)
      }
    }
  }

  let place: Place
  private let input: Int
  /// What was packed at plan time.
  private let packed: Tensor?
  private let taskCount: Int
  private let pack: @Sendable (UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void

  /// - Parameters:
  ///   - format: everything that determines the packed form, besides the operand
  ///   - pack: does one of `taskCount` parts of the work, from the operand to `count` elements
  init(
    input: Int, elementType: ElementType, count: Int, taskCount: Int, format: String,
    scratch: inout ScratchLayout, _ context: PrepareContext,
    pack: @escaping @Sendable (UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void
  ) throws {
    self.input = input
    self.taskCount = taskCount
    self.pack = pack
    guard let constant = context.constant(input) else {
      place = .scratch(try scratch.reserve(count, of: elementType))
      packed = nil
      return
    }
    let packed = try context.packedConstants.packed(
      constant, format: format, elementType: elementType, count: count, taskCount: taskCount,
      pack: pack)
    place = .packed(UInt(bitPattern: packed.baseAddress))
    self.packed = packed
  }

  /// An operand of floats.
  init(
    input: Int, count: Int, taskCount: Int, format: String, scratch: inout ScratchLayout,
    _ context: PrepareContext,
    pack: @escaping @Sendable (UnsafeRawPointer, Int, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    try self.init(
      input: input, elementType: .float, count: count, taskCount: taskCount, format: format,
      scratch: &scratch, context
    ) { source, task, packed in pack(source, task, packed.assumingMemoryBound(to: Float.self)) }
  }

  private init(unchanged input: Int) {
    self.input = input
    place = .input(input)
    packed = nil
    taskCount = 0
    pack = { _, _, _ in }
  }

  /// The packing phase, if the kernel packs.
  var phase: PreparedKernel.Phase? {
    guard case .scratch(let offset) = place else { return nil }
    return PreparedKernel.Phase(taskCount: taskCount) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      pack(arguments.input(input), task, scratch + offset)
    }
  }

  /// The address of floats.
  func pointer(_ arguments: KernelArguments) -> UnsafePointer<Float>? {
    place.address(arguments)?.assumingMemoryBound(to: Float.self)
  }
}

extension PackedOperand {
  /// Numbers per channel, [C, …], in the blocked form [ceil(C / 16), …, 16], with zeros in the
  /// padding lanes.
  static func channels(
    input: Int, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws -> PackedOperand {
    let shape = try context.input(input).shape
    let channels = shape[0]
    // The numbers of one channel.
    let count = shape[1...].reduce(1, *)
    if count == 1, channels % channelBlock == 0 { return PackedOperand(unchanged: input) }
    return try PackedOperand(
      input: input, count: blockCount(channels) * channelBlock * count,
      taskCount: blockCount(channels), format: "channels in blocks", scratch: &scratch, context
    ) { source, block, packed in
      let numbers = packed + block * count * channelBlock
      for lane in 0..<channelBlock {
        let channel = block * channelBlock + lane
        for index in 0..<count {
          let place = (channel * count + index) * MemoryLayout<Float>.stride
          numbers[index * channelBlock + lane] =
            channel < channels ? source.loadUnaligned(fromByteOffset: place, as: Float.self) : 0
        }
      }
    }
  }
}

/// Allocates parts of a kernel's scratch memory.
struct ScratchLayout {
  private(set) var byteCount = 0

  /// The offset of `floatCount` floats, in bytes.
  ///
  /// - Throws: `GraftError` if the size exceeds the address space
  mutating func reserve(floatCount: Int) throws -> Int { try reserve(floatCount, of: .float) }

  /// The offset of `count` elements, in bytes.
  ///
  /// - Throws: `GraftError` if the size exceeds the address space
  mutating func reserve(_ count: Int, of elementType: ElementType) throws -> Int {
    let offset = byteCount
    guard (0...Int.max / 32 - offset).contains(count) else {
      throw GraftError(.operatingSystem, "needs too much memory")
    }
    byteCount += (count * elementType.byteWidth + 63) & ~63
    return offset
  }

  /// The offset of as many elements as the product of these extents, in bytes.
  ///
  /// - Throws: `GraftError` if the size exceeds the address space
  mutating func reserve(_ extents: [Int], of elementType: ElementType) throws -> Int {
    try reserve(extents.checkedProduct ?? .max, of: elementType)
  }
}
