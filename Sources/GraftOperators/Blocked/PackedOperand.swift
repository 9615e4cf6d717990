/// An operand that kernels want in another form: made at plan time if it is constant, else by the first phase
/// of the kernel, in its scratch memory.
struct PackedOperand: Sendable {
  private let input: Int
  private let packed: Tensor?
  /// Where it lies in the kernel's scratch memory, in bytes.
  private let scratchOffset: Int
  private let taskCount: Int
  private let pack: @Sendable (UnsafeRawPointer, Int, UnsafeMutablePointer<Float>) -> Void

  /// - Parameters:
  ///   - format: all that the packed form depends on, besides the operand
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
      packed = nil
      scratchOffset = try scratch.reserve(floatCount: count)
      return
    }
    scratchOffset = 0
    packed = try context.packedConstants.packed(constant, format: format) {
      let packed = try Tensor(zeros: .float, shape: [count])
      let target = packed.baseAddress.assumingMemoryBound(to: Float.self)
      for task in 0..<taskCount { pack(constant.baseAddress, task, target) }
      return packed
    }
  }

  /// The phase that packs, if that is left to the kernel.
  var phase: PreparedKernel.Phase? {
    guard packed == nil else { return nil }
    return PreparedKernel.Phase(taskCount: taskCount) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let target = (scratch + scratchOffset).assumingMemoryBound(to: Float.self)
      pack(arguments.input(input), task, target)
    }
  }

  func pointer(_ arguments: KernelArguments) -> UnsafePointer<Float>? {
    let base =
      packed.map { UnsafeRawPointer($0.baseAddress) }
      ?? arguments.scratch.map { UnsafeRawPointer($0 + scratchOffset) }
    return base?.assumingMemoryBound(to: Float.self)
  }
}

extension PackedOperand {
  /// A bias of one element a channel, with zeros up to the end of the last block.
  static func bias(
    input: Int, channels: Int, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws -> PackedOperand {
    let count = blockCount(channels) * channelBlock
    return try PackedOperand(
      input: input, count: count, taskCount: 1, format: "blocked-bias", scratch: &scratch, context
    ) { bias, _, packed in
      packed.update(repeating: 0, count: count)
      UnsafeMutableRawPointer(packed).copyMemory(
        from: bias, byteCount: channels * MemoryLayout<Float>.size)
    }
  }
}

/// Deals out parts of a kernel's scratch memory.
struct ScratchLayout {
  private(set) var byteCount = 0

  /// The offset of `floatCount` floats, in bytes.
  ///
  /// - Throws: `GraftError` if that is more than memory can hold.
  mutating func reserve(floatCount: Int) throws -> Int {
    let offset = byteCount
    guard (0...Int.max / 16 - offset).contains(floatCount) else {
      throw GraftError(.operatingSystem, "needs too much memory")
    }
    byteCount += (floatCount * MemoryLayout<Float>.size + 63) & ~63
    return offset
  }
}
