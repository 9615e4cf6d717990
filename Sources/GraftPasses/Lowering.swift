/// The passes that make a canonical graph fast to run, in order.
package enum Lowering {
  private static let passes: [any GraphPass.Type] = [
    DeadNodeElimination.self,
    IdentityElimination.self,
    ConstantFolding.self,
    CommonSubexpressionElimination.self,
    TransposeCancellation.self,
    PadFolding.self,
    BatchNormalizationFolding.self,
    OperatorFusion.self,
    ActivationFusion.self,
  ]

  /// Rounds after which passes that still find something are stopped.
  private static let roundLimit = 8

  package static func run(_ graph: inout Graph) throws {
    for _ in 0..<roundLimit {
      var didChange = false
      for pass in passes {
        if try pass.run(&graph) { didChange = true }
      }
      if !didChange { break }
    }
  }
}
