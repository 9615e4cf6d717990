import GraftExecution
import GraftFiles

/// A way to compute convolutions. Which one a node takes is decided when its shapes are known.
protocol ConvolutionAlgorithm: Sendable {
  /// `nil` if this algorithm is not for such a problem.
  ///
  /// - Parameter context: element types are float or double
  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws

  func kernel() throws -> PreparedKernel
}

extension ConvolutionProblem {
  /// The algorithms, the preferred ones first. The last takes every problem.
  private static let algorithms: [any ConvolutionAlgorithm.Type] = [
    DepthwiseConvolution.self,
    ImplicitMatrixConvolution.self,
  ]

  /// The kernel of the first algorithm that takes this problem.
  func kernel(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    for algorithm in ConvolutionProblem.algorithms {
      if let chosen = try algorithm.init(self, context) { return try chosen.kernel() }
    }
    throw GraftError.unsupported("no algorithm for this convolution")
  }
}
