/// The gradient of LRN.
///
/// With s = bias + alpha / size · Σ x² it is dy s^-beta - 2 alpha beta / size · x · Σ dy x
/// s^(-beta-1), the sum taken over the channels that look at x.
///
/// Inputs: the gradient of the output, LRN's input. Attributes: those of LRN. Output: the gradient
/// of the input.
struct LRNGradient: RealOperator {
  static let schema = OperatorSchema("LRNGradient", domain: "graft", since: [1], inputs: 2...2)

  let region: ResponseRegion

  init(_ attributes: AttributeReader) throws { region = try ResponseRegion(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(1, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.setOutputLikeInput(1)
    try context.requireRank(1, atLeast: 2)
    try context.requireShapeAgrees(0, try context.shape(1))
  }

  /// First dy s^-beta and, in scratch, dy x s^(-beta-1); then the sums over channels.
  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(1).shape
    let channels = shape[1]
    let count = shape[2...].reduce(1, *)
    let region = region
    let planeCount = shape[0] * channels
    let grain = max(1, 4096 / max(1, count))
    let terms = PreparedKernel.Phase.parallel(count: planeCount, grain: grain) {
      arguments, planes in
      guard let scratch = arguments.scratch?.assumingMemoryBound(to: Element.self) else { return }
      let outputGradient = arguments.input(0, as: Element.self)
      let x = arguments.input(1, as: Element.self)
      let inputGradient = arguments.output(0, as: Element.self)
      for plane in planes {
        let item = x + plane / channels * channels * count
        let sums = scratch + plane * count
        region.sumSquares(item, sums, channel: plane % channels, channels: channels, count: count)
        for i in 0..<count {
          let place = plane * count + i
          let base = region.base(sums[i])
          let direct = outputGradient[place] * region.inversePower(base)
          inputGradient[place] = direct
          sums[i] = direct * x[place] / base
        }
      }
    }
    let sums = PreparedKernel.Phase.parallel(count: planeCount, grain: grain) {
      arguments, planes in
      guard let scratch = arguments.scratch?.assumingMemoryBound(to: Element.self) else { return }
      let x = arguments.input(1, as: Element.self)
      let inputGradient = arguments.output(0, as: Element.self)
      let factor = 2 * Element(region.alpha) * Element(region.beta) / Element(region.size)
      for plane in planes {
        let firstOfItem = plane / channels * channels
        for channel in region.channels(lookingAt: plane % channels, of: channels) {
          let terms = scratch + (firstOfItem + channel) * count
          for i in 0..<count {
            let place = plane * count + i
            inputGradient[place] -= factor * x[place] * terms[i]
          }
        }
      }
    }
    return PreparedKernel(
      phases: [terms, sums],
      scratchByteCount: planeCount * count * MemoryLayout<Element>.stride)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "odd size",
        attributes: [
          "size": .int(3), "alpha": .float(0.5), "beta": .float(0.75), "bias": .float(1),
        ],
        inputs: [
          .floats([-0.07, 0.87, -0.39, -0.23, -0.22, 0.11, -1.59, -0.24], [1, 4, 2]),
          .floats([-0.06, -0.58, -0.63, 1.6, 0.51, 0.07, -0.35, -1.11], [1, 4, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.06356243, 0.58399206, -0.3420611, 0.0027147313, -0.2789616, 0.075966805,
              -1.4821941, -0.15436609,
            ], [1, 4, 2])
        ]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [
          .floats([-0, -0.99, 0.46, 2.02, -0.26, -0.2, -1.04, 0.32], [1, 4, 2]),
          .floats([-0.85, 0.88, -0.77, 0.58, 1.52, -0.31, -0.6, 0.19], [1, 4, 2]),
        ],
        outputs: [
          .floats(
            [
              0, -0.60021794, 0.2634671, 1.372491, -0.094812855, -0.10894512, -0.7020107,
              0.22373524,
            ], [1, 4, 2])
        ]),
    ]
  }
}
