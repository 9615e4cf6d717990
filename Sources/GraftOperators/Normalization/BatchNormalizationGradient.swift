import GraftExecution
import GraftFiles
import GraftGraph

/// The gradients of ``BatchNormalization`` in training.
///
/// Inputs: dy [N, C, …], x [N, C, …], scale [C]. Outputs: dx, dscale [C], dbias [C]. With the
/// statistics of the batch, x̂ = (x - mean) / √(variance + ε): dbias = Σ dy, dscale = Σ dy x̂, dx =
/// scale / √(variance + ε) · (dy - mean(dy) - x̂ mean(dy x̂)).
///
/// Source: Ioffe and Szegedy, "Batch Normalization", <https://arxiv.org/abs/1502.03167>, section 3
package struct BatchNormalizationGradient: RealOperator {
  package static let schema = OperatorSchema(
    "BatchNormalizationGradient", domain: "graft", since: [1], inputs: 3...3, outputs: 1...3)
  package static let flushesSubnormals = true

  let epsilon: Double

  package init(_ attributes: AttributeReader) throws {
    epsilon = try BatchNormalization(attributes).epsilon
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in 0..<3 { try context.require(index, .floatingPoint) }
    try context.requireSameElementType([0, 1])
    let scaleType = try context.elementType(2)
    try context.setOutputLikeInput()
    for index in 1...2 { context.setOutput(index, scaleType, nil) }
    try context.requireRank(1, atLeast: 1)
    let shape = try context.shape(1)
    try context.requireShapeAgrees(0, shape)
    let channels = [shape.count > 1 ? shape[1] : 1]
    try context.requireShapeAgrees(2, channels)
    for index in 1...2 { context.setOutput(index, scaleType, channels) }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let layout = ChannelPlanes(try context.input(1).shape)
    let instructionSet = context.instructionSet
    let epsilon = epsilon
    let hasOutput = (0...2).map(context.hasOutput)
    return PreparedKernel.parallel(
      count: layout.channels, grain: max(1, layout.grain / max(1, layout.batch)),
      inPlaceInputs: [0]
    ) { arguments, channels in
      let dy = arguments.input(0, as: Element.self)
      let x = arguments.input(1, as: Element.self)
      let scale = arguments.input(2, as: Element.self)
      let total = Double(layout.batch * layout.count)
      for channel in channels {
        let (mean, variance) = layout.moments(of: x, channel: channel, instructionSet)
        let inverse = 1 / (variance + epsilon).squareRoot()
        var (sum, product) = (0.0, 0.0)
        for item in 0..<layout.batch {
          let start = layout.start(item, channel)
          for index in start..<start + layout.count {
            sum += Double(dy[index])
            product += Double(dy[index]) * (Double(x[index]) - mean)
          }
        }
        if hasOutput[1] {
          arguments.output(1, as: Element.self)[channel] = Element(product * inverse)
        }
        if hasOutput[2] { arguments.output(2, as: Element.self)[channel] = Element(sum) }
        guard hasOutput[0] else { continue }
        let dx = arguments.output(0, as: Element.self)
        let factor = Double(scale[channel]) * inverse
        let slope = -factor * inverse * inverse * product / total
        let shift = -factor * sum / total
        for item in 0..<layout.batch {
          let start = layout.start(item, channel)
          for index in start..<start + layout.count {
            let deviation = Double(x[index]) - mean
            dx[index] = Element(factor * Double(dy[index]) + (slope * deviation + shift))
          }
        }
      }
    }
  }

  package static var examples: [OperatorExample] {
    [
      // Two items of one channel: mean 2, variance 1, and ε = 0.
      OperatorExample(
        "one channel", attributes: ["epsilon": .float(0)],
        inputs: [
          .floats([1, 0, 0, 2], [2, 1, 1, 2]), .floats([1, 3, 3, 1], [2, 1, 1, 2]),
          .floats([2], [1]),
        ],
        outputs: [
          .floats([-1, 0, 0, 1], [2, 1, 1, 2]), .floats([-3], [1]), .floats([3], [1]),
        ])
    ]
  }
}
