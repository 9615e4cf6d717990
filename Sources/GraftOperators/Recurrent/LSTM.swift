import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A layer of long short-term memory, with the hidden state H' and the cell C' before:
///
///     i = f(X · Wiᵀ + H' · Riᵀ + Pi C' + Wbi + Rbi)
///     f = f(X · Wfᵀ + H' · Rfᵀ + Pf C' + Wbf + Rbf), or 1 - i with input_forget
///     c = g(X · Wcᵀ + H' · Rcᵀ + Wbc + Rbc), C = f C' + i c
///     o = f(X · Woᵀ + H' · Roᵀ + Po C + Wbo + Rbo), H = o h(C)
///
/// X `[T, B, I]`, W `[D, 4H, I]`, R `[D, 4H, H]` and B `[D, 8H]` (gates i, o, f, c), sequence_lens
/// `[B]`, initial_h and initial_c `[D, B, H]`, P `[D, 3H]` (i, o, f); Y `[T, D, B, H]`, Y_h and Y_c
/// `[D, B, H]`. With layout 1 the batch is the first axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LSTM.html>
struct LSTM: Operator {
  static let schema = OperatorSchema(
    "LSTM", since: [1, 7, 14, 22], sameSince: 14, inputs: 3...8, outputs: 0...3)
  static let acceptsUnalignedInputs = true
  static let flushesSubnormals = true
  static let widening = Widening.rounds
  static let weightInputs = [1, 2, 3, 7]

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(
      .lstm(couplesGates: attributes.flag("input_forget")), attributes)
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    RecurrentAttributes.upgrade(&node, from: version)
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try RecurrentAttributes.downgrade(&node, to: opset)
  }

  static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    RecurrentShape.multiplyAdds(inputs: inputs, gateCount: 4)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.infer(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentKernel.kernel(attributes, context)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try attributes.addGradient(LSTMGradient.schema, &builder)
  }

  static var examples: [OperatorExample] { RecurrentExamples.lstm }
}
