import GraftExecution

/// The algorithm of a convolution in the blocked layout.
enum BlockedConvolutionAlgorithm: Sendable, Equatable {
  case direct
  /// Winograd's algorithm with tiles of this output extent; without a scheme, it chooses how to
  /// distribute tiles to tasks.
  case winograd(tileExtent: Int, scheme: WinogradConvolution.Scheme? = nil)
  /// Directly, with weights and rows in bfloat16. Winograd's algorithm is excluded, since its
  /// transforms amplify rounding errors (see docs/performance.md).
  case directNarrow

  /// All algorithms, in the order of their rounding errors.
  private static let all: [BlockedConvolutionAlgorithm] = [
    .direct, .winograd(tileExtent: 2), .winograd(tileExtent: 4), .winograd(tileExtent: 6),
    .directNarrow,
  ]

  /// The algorithm measured as fastest on this machine, or else the one estimated as fastest.
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

  /// The algorithm estimated as fastest. Larger rounding errors must be worth it.
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

  /// The algorithms that may be fastest on some machine.
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

  /// The name in tuning records.
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

  /// F(6) has three times the rounding error of F(4), which is only worth it for the large maps of
  /// a network's first layers.
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

  /// Measured costs on one thread (see docs/performance.md), in nanoseconds. The choice of an
  /// algorithm affects the bits, so that these numbers are the same on all machines with the same
  /// instruction set.
  private struct Costs {
    /// Per multiply-add.
    let multiplyAdd: Double
    /// Per transformed block at one point of a Winograd tile.
    let transformedPoint: Double
    /// Per byte of weights from memory.
    let weightByte = 0.05
    /// The speed of bfloat16 multiply-adds relative to float.
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

    /// Computation mostly overlaps with loading weights.
    private func total(compute: Double, weightBytes: Double) -> Double {
      let memory = weightBytes * weightByte
      return max(compute, memory) + min(compute, memory) / 4
    }
  }
}
