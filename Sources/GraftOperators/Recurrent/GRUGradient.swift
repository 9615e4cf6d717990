import GraftExecution
import GraftGraph

/// The gradients of ``GRU``, by backpropagation through time.
///
/// Inputs: X, W, R, B, sequence_lens, initial_h, dY, dY_h, of which those after R may be omitted.
/// Outputs: dR, dW, dB, dX, dinitial_h. The attributes are those of GRU.
struct GRUGradient: Operator {
  static let schema = OperatorSchema(
    "GRUGradient", domain: "graft", since: [1], inputs: 3...8, outputs: 0...5)
  static let flushesSubnormals = true

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(
      .gru(isLinearBeforeReset: attributes.flag("linear_before_reset")), attributes)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.inferGradient(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentGradientKernel.kernel(attributes, context)
  }

  static var examples: [OperatorExample] { RecurrentExamples.gruGradient }
}
