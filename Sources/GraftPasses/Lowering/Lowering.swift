import GraftGraph

/// The passes that make a canonical graph fast, in order.
package enum Lowering {
  /// The bytes of generated constants.
  package struct GeneratedMemory: Sendable, Hashable {
    /// The bytes that remain.
    package var byteCount = 0
    /// The largest number of bytes at any time during lowering.
    package var peakByteCount = 0

    package init() {}

    /// Adds the memory of another graph, whose lowering came after this one's.
    package mutating func add(_ other: GeneratedMemory) {
      peakByteCount = max(peakByteCount, byteCount + other.peakByteCount)
      byteCount += other.byteCount
    }
  }

  /// Run before constant folding, so that nothing unused is folded.
  private static let cleaningPasses: [any GraphPass.Type] = [
    DeadNodeElimination.self,
    IdentityElimination.self,
  ]

  private static let passes: [any GraphPass.Type] = [
    BodyInlining.self,
    BodySimplification.self,
    InvariantMotion.self,
    CommonSubexpressionElimination.self,
    LayoutSelection.self,
    TransposeCancellation.self,
    ShapeOfTranspose.self,
    PadFolding.self,
    ChannelAffineFolding.self,
    OperatorFusion.self,
    AttentionFusion.self,
    ActivationFusion.self,
  ]

  /// The number of rounds after which passes are stopped even if they still find something.
  private static let roundLimit = 8

  /// - Parameters:
  ///   - memoryLimit: the bytes that generated constants may take; `nil` for all free memory
  ///   - backend: its finishing passes run near the end
  /// - Returns: the bytes of generated constants
  /// - Throws: `GraftError` if they exceed the limit, or a node is invalid
  @discardableResult
  package static func run(
    _ graph: inout Graph, memoryLimit: Int? = nil, backend: Backend = .cpu
  ) throws -> GeneratedMemory {
    let memory = try fuse(&graph, memoryLimit: memoryLimit)
    // The other passes do not know the operators of these.
    _ = try HalfPrecisionWidening.run(&graph)
    for pass in backend.finishingPasses { _ = try pass.run(&graph) }
    _ = try ElementwiseChainFusion.run(&graph)
    return memory
  }

  /// The passes that are independent of the layout; like ``run(_:memoryLimit:)``.
  @discardableResult
  package static func fuse(
    _ graph: inout Graph, memoryLimit: Int? = nil
  ) throws -> GeneratedMemory {
    _ = try RandomStreams.run(&graph)
    var budget = ConstantFolding.Budget(for: graph, memoryLimit: memoryLimit)
    if QuantizedChains.applies(to: graph) || QuantizedWeights.applies(to: graph) {
      for pass in cleaningPasses { _ = try pass.run(&graph) }
      // Scales and zero points become constants, but weights stay integers.
      _ = try ConstantFolding.run(&graph, budget: &budget, keepsWeights: true)
      _ = try QuantizedChains.run(&graph)
      _ = try QuantizedWeights.run(&graph)
    }
    for _ in 0..<roundLimit {
      var didChange = false
      for pass in cleaningPasses {
        if try pass.run(&graph) { didChange = true }
      }
      if try ConstantFolding.run(&graph, budget: &budget) { didChange = true }
      for pass in passes {
        if try pass.run(&graph) { didChange = true }
      }
      if !didChange { break }
    }
    return budget.generated
  }
}
