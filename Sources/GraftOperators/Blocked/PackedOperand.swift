import GraftExecution
import GraftFiles
import GraftTensor

/// An operand in a kernel's own layout: packed at plan time if it is constant, otherwise by the
/// kernel's first phase in scratch memory.
struct PackedOperand: Sendable {
  private enum Source {
    /// The input already has that layout.
    case input
    case packed(Tensor)
    /// Packed when the kernel runs, at this offset in its scratch memory, in bytes.
    case scratch(Int)
  }

  private let input: Int
  private let source: Source
  private let taskCount: Int
  private let pack: @Sendable (UnsafeRawPointer, Int, UnsafeMutablePointer<Float>) -> Void

  /// - Parameters:
  ///   - format: everything that determines the packed form, besides the operand
  ///   - pack: does one of `taskCount` parts of the work, from the operand to `count` floats
  init(
    input: Int, count: Int, taskCount: Int, format: String, scratch: inout ScratchLayout,
    _ context: PrepareContext,
    pack: @escaping @Sendable (UnsafeRawPointer, Int, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    self.input = input
    self.taskCount = taskCount
    self.pack = pack
    guard let constant = context.constant(input) else {
      source = .scratch(try scratch.reserve(floatCount: count))
      return
    }
    source = .packed(
      try context.packedConstants.packed(
        constant, format: format, elementType: .float, count: count, taskCount: taskCount
      ) { source, task, packed in
        pack(source, task, packed.assumingMemoryBound(to: Float.self))
      })
  }

  private init(unchanged input: Int) {
    self.input = input
    source = .input
    taskCount = 0
    pack = { _, _, _ in }
  }

  /// The packing phase, if the kernel packs.
  var phase: PreparedKernel.Phase? {
    guard case .scratch(let offset) = source else { return nil }
    return PreparedKernel.Phase(taskCount: taskCount) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      pack(arguments.input(input), task, (scratch + offset).assumingMemoryBound(to: Float.self))
    }
  }

  func pointer(_ arguments: KernelArguments) -> UnsafePointer<Float>? {
    let base: UnsafeRawPointer? =
      switch source {
      case .input: arguments.input(input)
      case .packed(let tensor): UnsafeRawPointer(tensor.baseAddress)
      case .scratch(let offset): UnsafeRawPointer(arguments.scratch)?.advanced(by: offset)
      }
    return base?.assumingMemoryBound(to: Float.self)
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
  mutating func reserve(floatCount: Int) throws -> Int {
    let offset = byteCount
    guard (0...Int.max / 16 - offset).contains(floatCount) else {
      throw GraftError(.operatingSystem, "needs too much memory")
    }
    byteCount += (floatCount * MemoryLayout<Float>.size + 63) & ~63
    return offset
  }
}
