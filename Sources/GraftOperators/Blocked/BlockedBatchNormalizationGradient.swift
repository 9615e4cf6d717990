import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension BatchNormalizationGradient: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedBatchNormalizationGradient", domain: "graft", since: [1], inputs: 3...3,
    outputs: 1...3)
  package static let blockedInputs = [0, 1]

  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? {
    try context.shape(2).first
  }

  /// Arrays in scratch memory, per channel: the factors of dy and of x's deviation, the mean, and a
  /// shift.
  private enum Place: Int, CaseIterable {
    case gradientFactor, deviationFactor, origin, shift
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
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
}
