/// Numbers for each channel, [C, …], as kernels of the blocked layout read them:
/// [ceil(C / 16), …, 16], with zeros in the lanes that fill up the last block.
struct BlockedParameter: Sendable {
  private enum Source {
    /// The input is in that order as it is.
    case input
    case packed(Tensor)
    /// Packed when the kernel runs, to this place in its scratch memory.
    case scratch(byteOffset: Int)
  }

  private let input: Int
  private let channels: Int
  /// Numbers of one channel.
  private let count: Int
  private let source: Source

  /// - Parameter scratchByteCount: grows by what the parameter needs
  init(_ context: PrepareContext, input: Int, scratchByteCount: inout Int) throws {
    let shape = try context.input(input).shape
    self.input = input
    channels = shape[0]
    count = shape[1...].reduce(1, *)
    let packedShape = [blockCount(channels), count, channelBlock]
    if count == 1, channels % channelBlock == 0 {
      source = .input
    } else if let constant = context.constant(input) {
      let (channels, count) = (channels, count)
      source = .packed(
        try context.packedConstants.packed(constant, format: "channels in blocks") {
          let packed = try Tensor(zeros: .float, shape: packedShape)
          BlockedParameter.pack(
            constant.baseAddress, channels: channels, count: count, to: packed.baseAddress)
          return packed
        })
    } else {
      source = .scratch(byteOffset: scratchByteCount)
      let (sum, overflow) = scratchByteCount.addingReportingOverflow(
        try Tensor.byteCount(.float, packedShape))
      guard !overflow else { throw GraftError.badData("input \(input) is too large") }
      scratchByteCount = sum
    }
  }

  /// Whether ``pack(_:)`` has to run before the parameter is read.
  var needsPacking: Bool {
    if case .scratch = source { true } else { false }
  }

  func pack(_ arguments: KernelArguments) {
    guard case .scratch(let byteOffset) = source, let scratch = arguments.scratch else { return }
    BlockedParameter.pack(
      arguments.input(input), channels: channels, count: count, to: scratch + byteOffset)
  }

  /// The numbers of one block of channels.
  func address(_ arguments: KernelArguments, block: Int) -> UnsafePointer<Float>? {
    let base: UnsafeRawPointer? =
      switch source {
      case .input: arguments.input(input)
      case .packed(let tensor): UnsafeRawPointer(tensor.baseAddress)
      case .scratch(let byteOffset): UnsafeRawPointer(arguments.scratch)?.advanced(by: byteOffset)
      }
    return base.map { $0.assumingMemoryBound(to: Float.self) + block * count * channelBlock }
  }

  private static func pack(
    _ source: UnsafeRawPointer, channels: Int, count: Int, to target: UnsafeMutableRawPointer
  ) {
    for block in 0..<blockCount(channels) {
      let numbers =
        target.assumingMemoryBound(to: Float.self) + block * count * channelBlock
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

extension PreparedKernel {
  /// A kernel that packs parameters first, where they were not known when it was made.
  init(
    packing parameters: [BlockedParameter], then phase: Phase, scratchByteCount: Int,
    inPlaceInputs: [Int]
  ) {
    let unpacked = parameters.filter(\.needsPacking)
    let packing = Phase(taskCount: unpacked.count) { arguments, task in
      unpacked[task].pack(arguments)
    }
    self.init(
      phases: unpacked.isEmpty ? [phase] : [packing, phase], scratchByteCount: scratchByteCount,
      inPlaceInputs: inPlaceInputs)
  }
}
