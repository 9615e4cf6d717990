import GraftExecution
import GraftFiles
import GraftTensor

/// The common computation of Dropout and TrainingDropout: y = x mask / (1 - ratio), where mask is
/// false with probability ratio.
struct DropoutKernel {
  /// Where random numbers come from.
  enum Source {
    /// ``CounterRandom``
    ///
    /// - Parameter stepInput: the input with the number of the run; `nil` for 0
    case counter(seed: Int, stream: Int, stepInput: Int?)
    /// ``MersenneTwister``
    case twister(seed: UInt32)
  }

  let source: Source
  /// The input with the training mode; `nil` if it always drops.
  let trainingInput: Int?

  /// Input 0 is the data, input 1 the ratio (1/2 by default); output 0 is y, output 1 the mask.
  func prepared(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    switch input.elementType {
    case .float: return try kernel(context, Float.self)
    case .double: return try kernel(context, Double.self)
    default: return try context.converting([input.elementType], to: .float) { try prepared($0) }
    }
  }

  private func kernel<Element: TensorElement & BinaryFloatingPoint>(
    _ context: PrepareContext, _: Element.Type
  ) throws -> PreparedKernel {
    let wantsMask = context.hasOutput(1)
    let ratioType = context.hasInput(1) ? try context.input(1).elementType : nil
    let trainingInput = trainingInput
    let count = try context.input(0).elementCount
    /// Keeps the elements for which `isKept` holds.
    @Sendable func drop(
      _ arguments: KernelArguments, _ range: Range<Int>,
      isKept: (_ index: Int, _ ratio: Double) -> Bool
    ) throws {
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      let mask = wantsMask ? arguments.output(1, as: Bool.self) : nil
      if let trainingInput, !arguments.flag(trainingInput) {
        for index in range { y[index] = x[index] }
        if let mask { for index in range { mask[index] = true } }
        return
      }
      let ratio = try arguments.dropoutRatio(1, ratioType)
      let scale = Element(1 / (1 - ratio))
      for index in range {
        let isKept = isKept(index, ratio)
        y[index] = isKept ? x[index] * scale : 0
        if let mask { mask[index] = isKept }
      }
    }
    switch source {
    case .counter(let seed, let stream, let stepInput):
      return PreparedKernel.parallel(count: count, grain: 16384, inPlaceInputs: [0]) {
        arguments, range in
        let step = stepInput.map { Int(arguments.input($0, as: Int64.self).pointee) } ?? 0
        let random = CounterRandom(seed: seed, stream: stream, step: step)
        try drop(arguments, range) { index, ratio in random.uniform(at: index) >= ratio }
      }
    case .twister(let seed):
      // The numbers follow from each other: they are drawn first, by one task.
      let wordBytes = MersenneTwister.wordCount * MemoryLayout<UInt32>.stride
      return PreparedKernel(
        phases: [
          .init(taskCount: 1) { arguments, _ in
            guard let scratch = arguments.scratch else { return }
            var random = MersenneTwister(
              seed: seed, words: scratch.assumingMemoryBound(to: UInt32.self))
            let ratio = try arguments.dropoutRatio(1, ratioType)
            let isKept = (scratch + wordBytes).assumingMemoryBound(to: UInt8.self)
            for index in 0..<count { isKept[index] = random.uniform() >= ratio ? 1 : 0 }
          },
          .parallel(count: count, grain: 16384) { arguments, range in
            guard let scratch = arguments.scratch else { return }
            let mask = (scratch + wordBytes).assumingMemoryBound(to: UInt8.self)
            try drop(arguments, range) { index, _ in mask[index] != 0 }
          },
        ], scratchByteCount: wordBytes + count, inPlaceInputs: [0])
    }
  }
}

extension KernelArguments {
  /// The Boolean in a scalar. It is read as a byte, since a file may contain others than 0 and 1.
  func flag(_ index: Int) -> Bool { input(index, as: UInt8.self).pointee != 0 }

  /// The ratio of Dropout in an input of type `type`; 1/2 if that is `nil`.
  ///
  /// - Throws: `GraftError` if it is outside 0...1
  func dropoutRatio(_ index: Int, _ type: ElementType?) throws -> Double {
    guard let type else { return 0.5 }
    var ratio = 0.0
    try ElementConversion.convert(input(index), type, to: &ratio, .double, count: 1)
    guard ratio >= 0, ratio <= 1 else {
      throw GraftError.badData("the ratio of Dropout is \(ratio); expected 0 to 1")
    }
    return ratio
  }
}
