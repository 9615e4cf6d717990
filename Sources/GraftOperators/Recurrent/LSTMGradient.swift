import GraftExecution
import GraftGraph

/// The gradients of ``LSTM``, by backpropagation through time.
///
/// Inputs: X, W, R, B, sequence_lens, initial_h, initial_c, P, dY, dY_h, dY_c, of which those after R
/// may be omitted. Outputs: dR, dW, dB, dX, dinitial_h, dinitial_c, dP. The attributes are those of
/// LSTM.
struct LSTMGradient: Operator {
  static let schema = OperatorSchema(
    "LSTMGradient", domain: "graft", since: [1], inputs: 3...11, outputs: 0...7)
  static let flushesSubnormals = true

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(
      .lstm(couplesGates: attributes.flag("input_forget")), attributes)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.inferGradient(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentGradientKernel.kernel(attributes, context)
  }

  static var examples: [OperatorExample] { RecurrentExamples.lstmGradient }
}
