/// The passes that make a canonical graph fast to run, in order.
package enum Lowering {
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

  /// Run once at the end, as what they make hides nodes from the others.
  private static let finishingPasses: [any GraphPass.Type] = [
    HalfPrecisionWidening.self,
    BlockedLayout.self,
    ElementwiseChainFusion.self,
  ]

  /// Rounds after which passes that still find something are stopped.
  private static let roundLimit = 8

  /// - Parameter memoryLimit: bytes that constants which nodes generate may take; `nil` for what is free
  /// - Returns: bytes that such constants take
  /// - Throws: `GraftError` if they take more, or a node is wrong
  @discardableResult
  package static func run(_ graph: inout Graph, memoryLimit: Int? = nil) throws -> Int {
    let byteCount = try fuse(&graph, memoryLimit: memoryLimit)
    for pass in finishingPasses { _ = try pass.run(&graph) }
    return byteCount
  }

  /// The passes that stay with operators of any layout; as ``run(_:memoryLimit:)``.
  @discardableResult
  package static func fuse(_ graph: inout Graph, memoryLimit: Int? = nil) throws -> Int {
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
    return budget.generatedByteCount
  }
}
