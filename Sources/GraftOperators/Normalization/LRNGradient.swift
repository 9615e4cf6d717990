import GraftExecution
import GraftFiles
import GraftGraph

/// The gradient of LRN.
///
/// With s = bias + alpha / size · Σ x² it is dy s^-beta - 2 alpha beta / size · x · Σ dy x
/// s^(-beta-1), summed over the channels whose region includes x.
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
          .floats([-0.24, -0.85, 0.88, -0.77, 0.58, 1.52, -0.31, -0.6], [1, 4, 2]),
          .floats([-1.11, -0.07, 0.87, -0.39, -0.23, -0.22, 0.11, -1.59], [1, 4, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.021582037, -0.8277419, 0.594777, -0.7345745, 0.54507506, 1.1815957, -0.3036543,
              -0.32501113,
            ], [1, 4, 2])
        ]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [
          .floats([0.32, -1.25, -1.11, 1.28, -0.91, 1.08, 1.52, 0.26], [1, 4, 2]),
          .floats([0.19, -0, -0.99, 0.46, 2.02, -0.26, -0.2, -1.04], [1, 4, 2]),
        ],
        outputs: [
          .floats(
            [
              0.21228819, -0.872421, -0.56374466, 0.86696535, -0.44083726, 0.7216815, 1.0493662,
              0.13089715,
            ], [1, 4, 2])
        ]),
    ]
  }
}
