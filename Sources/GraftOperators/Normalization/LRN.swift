/// Local response normalization: divides by a power of the sum of squares over neighbouring channels.
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
        inputs: [
          .floats(
            [-0.059999999, -0.57999998, -0.63, 1.6, 0.50999999, 0.07, -0.34999999, -1.11],
            [1, 4, 2])
        ],
        outputs: [
          .floats(
            [
              -0.057161584, -0.43164894, -0.58253092, 1.1902641, 0.46535605, 0.048460919,
              -0.33414367, -0.96442282,
            ], [1, 4, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [
          .floats(
            [-0.85000002, 0.88, -0.76999998, 0.57999998, 1.52, -0.31, -0.60000002, 0.19], [1, 4, 2])
        ],
        outputs: [
          .floats(
            [
              -0.55699098, 0.5830884, -0.46638194, 0.39946598, 0.93064326, -0.21741408, -0.41502869,
              0.13404818,
            ], [1, 4, 2])
        ],
        differentiableInputs: [0]),
    ]
  }
}

/// The attributes of LRN, and the arithmetic that it shares with its gradient.
struct ResponseRegion: Sendable {
  let size: Int
  let alpha: Float
  let beta: Float
  let bias: Float

  init(_ attributes: AttributeReader) throws {
    size = try attributes.required("size", attributes.int("size"))
    guard size > 0 else {
      throw GraftError.badData("attribute 'size' is \(size); expected at least 1")
    }
    alpha = try attributes.float("alpha", default: 1e-4)
    beta = try attributes.float("beta", default: 0.75)
    bias = try attributes.float("bias", default: 1)
  }

  /// The channels that a channel looks at.
  func channels(around channel: Int, of count: Int) -> Range<Int> {
    let before = (size - 1) / 2
    return max(0, channel - before)..<(channel + min(count - channel, size - before))
  }

  /// The channels that look at a channel.
  func channels(lookingAt channel: Int, of count: Int) -> Range<Int> {
    let before = (size - 1) / 2
    return max(0, channel - (size - 1 - before))..<(channel + min(count - channel, before + 1))
  }

  /// The sums of squares around one channel; `item` points to the first channel.
  func sumSquares<Element: RealElement>(
    _ item: UnsafePointer<Element>, _ sums: UnsafeMutablePointer<Element>, channel: Int,
    channels count: Int, count planeCount: Int
  ) {
    sums.update(repeating: 0, count: planeCount)
    for neighbour in channels(around: channel, of: count) {
      let plane = item + neighbour * planeCount
      for i in 0..<planeCount { sums[i] += plane[i] * plane[i] }
    }
  }

  @inline(__always) func base<Element: RealElement>(_ sumOfSquares: Element) -> Element {
    Element(bias) + Element(alpha) / Element(size) * sumOfSquares
  }

  /// base^-beta
  @inline(__always) func inversePower<Element: RealElement>(_ base: Element) -> Element {
    if beta == 0.75 {
      let root = base.squareRoot()
      return 1 / (root * root.squareRoot())
    }
    return Element.power(base, -Element(beta))
  }
}
