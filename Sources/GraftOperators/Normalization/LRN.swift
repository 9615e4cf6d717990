/// Local response normalization: divides by a power of the sum of squares over neighbouring
/// channels.
///
/// y = x / (bias + alpha / size · Σ x²)^beta
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LRN.html>
struct LRN: RealOperator {
  static let schema = OperatorSchema("LRN", since: [1, 13], sameSince: 1, inputs: 1...1)

  let region: ResponseRegion
  private let attributes: [String: Attribute]

  init(_ attributes: AttributeReader) throws {
    region = try ResponseRegion(attributes)
    self.attributes = attributes.attributes
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    try context.requireRank(0, atLeast: 2)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let channels = shape[1]
    let count = shape[2...].reduce(1, *)
    let region = region
    return PreparedKernel.parallel(
      count: shape[0] * channels, grain: max(1, 4096 / max(1, count))
    ) { arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes {
        let item = x + plane / channels * channels * count
        let x = x + plane * count
        let y = y + plane * count
        region.sumSquares(item, y, channel: plane % channels, channels: channels, count: count)
        for i in 0..<count { y[i] = x[i] * region.inversePower(region.base(y[i])) }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      builder.add(
        "LRNGradient", domain: "graft", [try builder.outputGradient(), try builder.input(0)],
        attributes: attributes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "odd size",
        attributes: [
          "size": .int(3), "alpha": .float(0.5), "beta": .float(0.75), "bias": .float(1),
        ],
        inputs: [.floats([-0.06, -0.58, -0.63, 1.6, 0.51, 0.07, -0.35, -1.11], [1, 4, 2])],
        outputs: [
          .floats(
            [
              -0.057161584, -0.43164894, -0.5825309, 1.1902641, 0.46535605, 0.04846092, -0.33414367,
              -0.9644228,
            ], [1, 4, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [.floats([-0.85, 0.88, -0.77, 0.58, 1.52, -0.31, -0.6, 0.19], [1, 4, 2])],
        outputs: [
          .floats(
            [
              -0.556991, 0.5830884, -0.46638194, 0.39946598, 0.93064326, -0.21741408, -0.4150287,
              0.13404818,
            ], [1, 4, 2])
        ],
        differentiableInputs: [0]),
    ]
  }
}
