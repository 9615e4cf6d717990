import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``BatchNormalizationGradient`` of images in the blocked layout.
///
/// Inputs: dy and x [N, C / 16, H, W, 16], scale [C]. Outputs: dx, dscale [C], dbias [C].
package struct BlockedBatchNormalizationGradient: Operator {
  package static let schema = OperatorSchema(
    "BlockedBatchNormalizationGradient", domain: "graft", since: [1], inputs: 3...3,
    outputs: 1...3)
  package static let flushesSubnormals = true

  let epsilon: Double

  package init(_ attributes: AttributeReader) throws {
    epsilon = try BatchNormalization(attributes).epsilon
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in 0..<3 { context.setOutput(index, .float, nil) }
    try context.requireSameElementType([0, 1, 2])
    let image = try context.blockedShape(1)
    try context.requireShapeAgrees(0, image + [.known(channelBlock)])
    let scale = try context.shape(2)
    guard scale.count == 1 else {
      throw GraftError.badData("input 2 has shape \(scale); expected one scale for each channel")
    }
    try context.requireBlocks(image[1], holding: scale[0])
    context.setBlockedOutput(image)
    for index in 1...2 { context.setOutput(index, .float, scale) }
  }

  /// Arrays in scratch memory, per channel: the factors of dy and of x's deviation, the mean, and a
  /// shift.
  private enum Place: Int, CaseIterable {
    case gradientFactor, deviationFactor, origin, shift
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(1).shape
    let (blocks, positions) = (shape[1], shape[2] * shape[3])
    let channels = try context.input(2).shape[0]
    let count = Double(shape[0] * positions)
    var scratch = ScratchLayout()
    let statistics = try BlockedStatistics(image: 1, gradient: 0, scratch: &scratch, context)
    let factors = try scratch.reserve(
      floatCount: Place.allCases.count * blocks * channelBlock)
    let epsilon = epsilon
    let (hasScale, hasBias) = (context.hasOutput(1), context.hasOutput(2))
    let finish = PreparedKernel.Phase(taskCount: blocks) { arguments, block in
      guard let memory = arguments.scratch else { return }
      let factors = (memory + factors).assumingMemoryBound(to: Float.self)
      for channel in block * channelBlock..<(block + 1) * channelBlock {
        func set(_ place: Place, _ value: Double) {
          factors[place.rawValue * blocks * channelBlock + channel] = Float(value)
        }
        guard channel < channels else {
          for place in Place.allCases { set(place, 0) }
          continue
        }
        let moments = statistics.moments(
          arguments, block: block, lane: channel - block * channelBlock)
        let inverse = 1 / (moments.variance + epsilon).squareRoot()
        let factor = Double(arguments.input(2, as: Float.self)[channel]) * inverse
        let product = moments.gradientProduct
        set(.gradientFactor, factor)
        set(.deviationFactor, -factor * inverse * inverse * product / count)
        set(.origin, moments.mean)
        set(.shift, -factor * moments.gradientSum / count)
        if hasScale { arguments.output(1, as: Float.self)[channel] = Float(product * inverse) }
        if hasBias { arguments.output(2, as: Float.self)[channel] = Float(moments.gradientSum) }
      }
    }
    let layers = context.blockedLayers
    let hasResult = context.hasOutput(0)
    let combine = BlockedRows(planeCount: shape[0] * blocks, rowCount: 1).phase(
      workPerRow: positions * 4
    ) { arguments, plane, _ in
      guard hasResult, let memory = arguments.scratch else { return }
      let factors = (memory + factors).assumingMemoryBound(to: Float.self)
      func place(_ place: Place) -> UnsafeMutablePointer<Float> {
        factors + (place.rawValue * blocks + plane % blocks) * channelBlock
      }
      let start = plane * positions * channelBlock
      layers.combine_deviations(
        arguments.input(1, as: Float.self) + start, place(.origin),
        arguments.input(0, as: Float.self) + start, place(.gradientFactor),
        place(.deviationFactor), place(.shift), positions,
        arguments.output(0, as: Float.self) + start)
    }
    return PreparedKernel(
      phases: [statistics.phase, finish, combine], scratchByteCount: scratch.byteCount,
      inPlaceInputs: [0])
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one channel", attributes: ["epsilon": .float(0)],
        inputs: [
          .blocks([1, 0, 0, 2], [2, 1, 1, 2]), .blocks([1, 3, 3, 1], [2, 1, 1, 2]),
          .floats([2], [1]),
        ],
        outputs: [
          .blocks([-1, 0, 0, 1], [2, 1, 1, 2]), .floats([-3], [1]), .floats([3], [1]),
        ])
    ]
  }
}
