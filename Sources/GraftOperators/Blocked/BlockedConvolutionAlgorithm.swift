import GraftExecution

/// How a convolution in the blocked layout is computed.
enum BlockedConvolutionAlgorithm: Sendable, Equatable {
  case direct
  /// By Winograd's method, with tiles of this extent of the output; as its own estimate deals them to tasks if no
  /// scheme is given.
  case winograd(tileExtent: Int, scheme: WinogradConvolution.Scheme? = nil)
  /// Directly, with weights and rows of bfloat16. Winograd's method is not computed so: its transforms
  /// multiply the rounding errors (see docs/performance.md).
  case directNarrow

  /// All there are, in the order of their rounding errors.
  private static let all: [BlockedConvolutionAlgorithm] = [
    .direct, .winograd(tileExtent: 2), .winograd(tileExtent: 4), .winograd(tileExtent: 6),
    .directNarrow,
  ]

  /// The one that was measured to be the fastest on this machine, else the one that promises to be.
  static func choose(
    for problem: BlockedConvolutionProblem, _ context: PrepareContext
  ) -> (algorithm: BlockedConvolutionAlgorithm, choice: KernelChoice) {
    let problemName = "BlockedConv \(problem) \(context.precision.rawValue)"
    let candidates = measurable(for: problem, context)
    var algorithm = fastest(for: problem, context)
    if let name = context.tuning.choices[problemName],
      let measured = candidates.first(where: { $0.name == name })
    {
      algorithm = measured
    }
    let choice = KernelChoice(
      problem: problemName, name: algorithm.name, candidates: candidates.map(\.name))
    return (algorithm, choice)
  }

  /// The one that promises the shortest time. What rounds more has to be worth it.
  private static func fastest(
    for problem: BlockedConvolutionProblem, _ context: PrepareContext
  ) -> BlockedConvolutionAlgorithm {
    let costs = Costs(context.instructionSet)
    var best = BlockedConvolutionAlgorithm.direct
    var bestCost = Double.infinity
    for algorithm in all where algorithm.computes(problem, context) {
      let cost = costs.time(algorithm, problem)
      if cost < bestCost * 0.95 { (best, bestCost) = (algorithm, cost) }
    }
    if case .winograd(let extent, nil) = best {
      let scheme = WinogradConvolution.defaultScheme(
        problem, tileExtent: extent, BlockedProduct(context.instructionSet))
      return .winograd(tileExtent: extent, scheme: scheme)
    }
    return best
  }

  /// Those that may be the fastest on some machine.
  private static func measurable(
    for problem: BlockedConvolutionProblem, _ context: PrepareContext
  ) -> [BlockedConvolutionAlgorithm] {
    let rows = BlockedProduct(context.instructionSet).maximumRows
    return all.filter { $0.computes(problem, context) }.flatMap { algorithm in
      guard case .winograd(let extent, nil) = algorithm else { return [algorithm] }
      let schemes: [WinogradConvolution.Scheme] = [
        .tiles(perTask: rows), .tiles(perTask: 2 * rows), .panels,
      ]
      return schemes.map { .winograd(tileExtent: extent, scheme: $0) }
    }
  }

  /// For tuning records.
  private var name: String {
    switch self {
    case .direct: "direct"
    case .directNarrow: "direct, bfloat16"
    case .winograd(let extent, let scheme):
      switch scheme {
      case .tiles(let perTask): "F(\(extent)), \(perTask) tiles a task"
      case .panels: "F(\(extent)), shared tiles"
      case nil: "F(\(extent))"
      }
    }
  }

  /// F(6) rounds three times as much as F(4): only the large maps of a network's first layers, where it gains the
  /// most, are worth that.
  private static let mostChannelsOfF6 = 128

  private func computes(
    _ problem: BlockedConvolutionProblem, _ context: PrepareContext
  ) -> Bool {
    switch self {
    case .direct: true
    case .winograd(let tileExtent, _):
      context.precision != .exact
        && problem.kernel == BlockedConvolutionProblem.Axes(height: 3, width: 3)
        && problem.stride.product == 1 && problem.dilation.product == 1
        && problem.groupCount == 1 && !problem.isPlanar
        && (tileExtent <= 4
          || max(problem.inputChannels, problem.outputChannels)
            <= BlockedConvolutionAlgorithm.mostChannelsOfF6)
    case .directNarrow:
      context.precision == .bfloat16 && !problem.isPlanar && context.constant(1) != nil
        && BlockedProduct(context.instructionSet, context.bfloat16Instructions) != nil
    }
  }

  /// What the kernels were measured to do on one thread (see docs/performance.md), in nanoseconds. The choice of
  /// an algorithm decides the bits, so that these numbers are the same for all machines of an instruction
  /// set.
  private struct Costs {
    /// Of a multiply-add.
    let multiplyAdd: Double
    /// Of transforming one block at one point of a Winograd tile.
    let transformedPoint: Double
    /// Of a byte of weights from memory.
    let weightByte = 0.05
    /// Multiply-adds of bfloat16 in the time of one of float.
    let narrowGain = 1.8

    init(_ instructionSet: InstructionSet) {
      switch instructionSet {
      case .avx512: (multiplyAdd, transformedPoint) = (1 / 125.0, 2.7)
      case .avx2: (multiplyAdd, transformedPoint) = (1 / 60.0, 5)
      case .scalar: (multiplyAdd, transformedPoint) = (1 / 20.0, 10)
      }
    }

    func time(
      _ algorithm: BlockedConvolutionAlgorithm, _ problem: BlockedConvolutionProblem
    ) -> Double {
      let channelPairs = Double(
        problem.inputParts * problem.outputBlocks * channelBlock * channelBlock)
      let weights = channelPairs * Double(problem.kernel.product)
      let direct = weights * Double(problem.imageCount * problem.output.product) * multiplyAdd
      switch algorithm {
      case .direct: return total(compute: direct, weightBytes: weights * 4)
      case .directNarrow: return total(compute: direct / narrowGain, weightBytes: weights * 2)
      case .winograd(let extent, _):
        let points = Double((extent + 2) * (extent + 2))
        let tiles = Double(problem.tileCount(extent: extent))
        let transforms =
          tiles * points * Double(problem.inputParts + problem.outputBlocks) * transformedPoint
        return total(
          compute: channelPairs * tiles * points * multiplyAdd + transforms,
          weightBytes: channelPairs * points * 4)
      }
    }

    /// Computing goes on while weights are on their way, for the most part.
    private func total(compute: Double, weightBytes: Double) -> Double {
      let memory = weightBytes * weightByte
      return max(compute, memory) + min(compute, memory) / 4
    }
  }
}
