import GraftExecution
import GraftGraph

/// The gradients of ``RNN``, by backpropagation through time.
///
/// Inputs: X, W, R, B, sequence_lens, initial_h, dY, dY_h, of which those after R may be omitted.
/// Outputs: dR, dW, dB, dX, dinitial_h. The attributes are those of RNN.
struct RNNGradient: Operator {
  static let schema = OperatorSchema(
    "RNNGradient", domain: "graft", since: [1], inputs: 3...8, outputs: 0...5)
  static let flushesSubnormals = true

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(.rnn, attributes)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.inferGradient(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentGradientKernel.kernel(attributes, context)
  }

  static var examples: [OperatorExample] { RecurrentExamples.rnnGradient }
}
