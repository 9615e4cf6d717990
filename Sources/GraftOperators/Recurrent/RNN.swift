import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A simple recurrent network of one layer: H = f(X · Wᵀ + H' · Rᵀ + Wb + Rb), where H' is the hidden
/// state before.
///
/// X `[T, B, I]`, W `[D, H, I]`, R `[D, H, H]`, B `[D, 2H]`, sequence_lens `[B]`, initial_h
/// `[D, B, H]`; Y `[T, D, B, H]`, Y_h `[D, B, H]`. With layout 1 the batch is the first axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RNN.html>
struct RNN: Operator {
  static let schema = OperatorSchema(
    "RNN", since: [1, 7, 14, 22], sameSince: 14, inputs: 3...6, outputs: 0...2)
  static let acceptsUnalignedInputs = true
  static let flushesSubnormals = true
  static let widening = Widening.rounds
  static let weightInputs = [1, 2, 3]

  let attributes: RecurrentAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try RecurrentAttributes(.rnn, attributes)
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
    RecurrentShape.multiplyAdds(inputs: inputs, gateCount: 1)
  }

  func infer(_ context: inout InferenceContext) throws { try attributes.infer(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try RecurrentKernel.kernel(attributes, context)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try attributes.addGradient(RNNGradient.schema, &builder)
  }

  static var examples: [OperatorExample] { RecurrentExamples.rnn }
}
