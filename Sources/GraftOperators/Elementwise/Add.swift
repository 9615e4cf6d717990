/// Elementwise sum with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Add.html>
struct Add: Operator {
  static let schema = OperatorSchema("Add", since: [1, 6, 7, 13, 14], sameSince: 7, inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}
  init() {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(try context.elementType(0), inputs: [0, 1])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { _, _, _ in }, double: { _, _, _ in })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    for index in 0...1 where builder.needs(index) {
      try builder.setBroadcastInputGradient(index, gradient)
    }
  }

  static var examples: [OperatorExample] { [] }
}
