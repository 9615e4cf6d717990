import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A layer of gated recurrent units, with the hidden state H' before:
///
///     z = f(X · Wzᵀ + H' · Rzᵀ + Wbz + Rbz), r = f(X · Wrᵀ + H' · Rrᵀ + Wbr + Rbr)
///     h = g(X · Whᵀ + (r H') · Rhᵀ + Wbh + Rbh)
///     h = g(X · Whᵀ + r (H' · Rhᵀ + Rbh) + Wbh) with linear_before_reset
///     H = (1 - z) h + z H'
///
/// X `[T, B, I]`, W `[D, 3H, I]`, R `[D, 3H, H]`, B `[D, 6H]`, sequence_lens `[B]`, initial_h
/// `[D, B, H]`; Y `[T, D, B, H]`, Y_h `[D, B, H]`. With layout 1 the batch is the first axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GRU.html>
struct GRU: Operator {
  static let schema = OperatorSchema(
    "GRU", since: [1, 3, 7, 14, 22], sameSince: 14, inputs: 3...6, outputs: 0...2)
  static let acceptsUnalignedInputs = true
  static let flushesSubnormals = true
  static let widening = Widening.rounds
  static let weightInputs = [1, 2, 3]

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(
      .gru(isLinearBeforeReset: attributes.flag("linear_before_reset")), attributes)
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    RecurrentAttributes.upgrade(&node, from: version)
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard opset >= 3 else {
      throw GraftError.unsupported("the operator had other outputs before opset 3")
    }
    try RecurrentAttributes.downgrade(&node, to: opset)
  }

  static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    RecurrentShape.multiplyAdds(inputs: inputs, gateCount: 3)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.infer(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentKernel.kernel(attributes, context)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try attributes.addGradient(GRUGradient.schema, &builder)
  }

  static var examples: [OperatorExample] { RecurrentExamples.gru }
}
