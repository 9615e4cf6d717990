import GraftGraph

/// The passes that make a canonical graph fast to run, in order.
package enum Lowering {
  /// Bytes of constants that nodes generate.
  package struct GeneratedMemory: Sendable, Hashable {
    /// Of those that are left.
    package var byteCount = 0
    /// Of those that were there together while the graph was lowered.
    package var peakByteCount = 0

    package init() {}
  }

  /// Run before constants are folded, so that nothing is folded that nobody reads.
  private static let cleaningPasses: [any GraphPass.Type] = [
    DeadNodeElimination.self,
    IdentityElimination.self,
  ]

  private static let passes: [any GraphPass.Type] = [
    CommonSubexpressionElimination.self,
    LayoutSelection.self,
    TransposeCancellation.self,
    PadFolding.self,
    ChannelAffineFolding.self,
    OperatorFusion.self,
    ActivationFusion.self,
  ]

  /// Rounds after which passes that still find something are stopped.
  private static let roundLimit = 8

  /// - Parameters:
  ///   - memoryLimit: bytes that constants which nodes generate may take; `nil` for what is free
  ///   - backend: has the passes of a form of its own
  /// - Returns: what such constants take
  /// - Throws: `GraftError` if they take more, or a node is wrong
  @discardableResult
  package static func run(
    _ graph: inout Graph, memoryLimit: Int? = nil, backend: Backend = .cpu
  ) throws -> GeneratedMemory {
    let memory = try fuse(&graph, memoryLimit: memoryLimit)
    // What these make hides nodes from the others.
    _ = try HalfPrecisionWidening.run(&graph)
    for pass in backend.finishingPasses { _ = try pass.run(&graph) }
    _ = try ElementwiseChainFusion.run(&graph)
    return memory
  }

  /// The passes that stay with operators of any layout; as ``run(_:memoryLimit:)``.
  @discardableResult
  package static func fuse(
    _ graph: inout Graph, memoryLimit: Int? = nil
  ) throws -> GeneratedMemory {
    var budget = ConstantFolding.Budget(for: graph, memoryLimit: memoryLimit)
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
