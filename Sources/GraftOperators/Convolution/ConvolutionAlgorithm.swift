import GraftExecution
import GraftFiles

/// An algorithm for convolutions, chosen when a node's shapes are known.
protocol ConvolutionAlgorithm: Sendable {
  /// `nil` if this algorithm does not support the problem.
  ///
  /// - Parameter context: element types are float or double
  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws

  func kernel() throws -> PreparedKernel
}

extension ConvolutionProblem {
  /// The algorithms, preferred ones first. The last one supports every problem.
  private static let algorithms: [any ConvolutionAlgorithm.Type] = [
    DepthwiseConvolution.self,
    FewPositionsConvolution.self,
    ImplicitMatrixConvolution.self,
  ]

  /// The kernel of the first algorithm that supports this problem.
  func kernel(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    for algorithm in ConvolutionProblem.algorithms {
      if let chosen = try algorithm.init(self, context) { return try chosen.kernel() }
    }
    throw GraftError.unsupported("no algorithm for this convolution")
  }
}
