/// y = max(x, 0); NaN stays NaN.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Relu.html>
struct Relu: Operator {
  static let schema = OperatorSchema("Relu", since: [1, 6, 13, 14], sameSince: 1, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}
  init() {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers.subtracting(.unsignedIntegers))
    try context.setOutputLikeInput()
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(
      float: { x, y, count in for i in 0..<count { y[i] = x[i] < 0 ? 0 : x[i] } },
      double: { x, y, count in for i in 0..<count { y[i] = x[i] < 0 ? 0 : x[i] } },
      int64: { x, y, count in for i in 0..<count { y[i] = max(x[i], 0) } })
  }

  /// dx = dy where y > 0
  func gradient(_ builder: inout GradientBuilder) throws {
    let zero = builder.add("Sub", [try builder.output(0), try builder.output(0)])
    let isPositive = builder.add("Greater", [try builder.output(0), zero])
    builder.setInputGradient(
      0, builder.add("Where", [isPositive, try builder.outputGradient(), zero]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "signs", inputs: [.floats([-1, 0, 2, -0.5], [2, 2])],
        outputs: [.floats([0, 0, 2, 0], [2, 2])]),
      OperatorExample(
        "away from the kink", inputs: [.floats([-1, 0.5, 2], [3])],
        outputs: [.floats([0, 0.5, 2], [3])], differentiableInputs: [0]),
    ]
  }
}
