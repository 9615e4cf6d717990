/// Passes its input through.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Identity.html>
struct Identity: Operator {
  static let schema = OperatorSchema(
    "Identity", since: [1, 13, 14, 16, 19, 21, 23, 24, 25], sameSince: 1, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    guard context.hasInput(0), let type = context.inputTypes[0] else {
      throw GraftError.badData("input 0 is missing")
    }
    context.setOutput(0, type)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(0, try builder.outputGradient())
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", inputs: [.floats([1, 2], [2])], outputs: [.floats([1, 2], [2])],
        differentiableInputs: [0])
    ]
  }
}
