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

  /// - Parameter memoryLimit: bytes that constants which nodes generate may take
  package static func run(_ graph: inout Graph, memoryLimit: Int = .max) throws {
    try fuse(&graph, memoryLimit: memoryLimit)
    for pass in finishingPasses { _ = try pass.run(&graph) }
  }

  /// The passes that stay with operators of any layout.
  package static func fuse(_ graph: inout Graph, memoryLimit: Int = .max) throws {
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
  }
}
