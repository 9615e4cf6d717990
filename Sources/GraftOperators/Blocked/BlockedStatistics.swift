import CGraftKernels
import GraftExecution

/// Sums over each channel of an image [N, C / 16, H, W, 16], in double: of deviations from an
/// origin and their squares, and, with a gradient, of the gradient and its products with the
/// deviations.
///
/// The origin is the channel's first element. Images are divided into parts by their shapes, and
/// the parts' sums are added in order, so that the bits do not depend on threads.
struct BlockedStatistics: Sendable {
  /// The statistics from one channel's sums.
  struct Moments {
    let mean: Double
    /// The population variance.
    let variance: Double
    /// Σ dy and Σ dy (x - mean).
    let gradientSum: Double
    let gradientProduct: Double
  }

  private static let positionsPerPart = 4096
  /// The doubles of one part: four sums of 16 channels.
  private static let partSize = 4 * channelBlock

  private let images: Int
  private let blocks: Int
  private let positions: Int
  private let partCount: Int
  private let image: Int
  private let gradient: Int?
  private let offset: Int
  private let layers: graft_blocked_layers

  /// - Parameters:
  ///   - image: the index of the image input
  ///   - gradient: the index of the gradient input with the same shape, if any
  init(
    image: Int, gradient: Int? = nil, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws {
    let shape = try context.input(image).shape
    (images, blocks, positions) = (shape[0], shape[1], shape[2] * shape[3])
    self.image = image
    self.gradient = gradient
    layers = context.blockedLayers
    partCount = max(1, min(images, images * positions / BlockedStatistics.positionsPerPart))
    offset = try scratch.reserve(floatCount: 2 * blocks * partCount * BlockedStatistics.partSize)
  }

  var phase: PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: blocks * partCount) { [self] arguments, task in
      guard let sums = sums(arguments) else { return }
      let (block, part) = task.quotientAndRemainder(dividingBy: partCount)
      let target = sums + task * BlockedStatistics.partSize
      target.update(repeating: 0, count: BlockedStatistics.partSize)
      // Without positions there is no origin.
      guard positions > 0 else { return }
      let x = arguments.input(image, as: Float.self)
      let origin = x + block * positions * channelBlock
      for image in evenRange(of: images, part: part, partCount: partCount) {
        let start = (image * blocks + block) * positions * channelBlock
        layers.add_deviations(x + start, origin, positions, target)
        guard let gradient else { continue }
        layers.add_gradient_deviations(
          x + start, origin, arguments.input(gradient, as: Float.self) + start, positions,
          target + 2 * channelBlock)
      }
    }
  }

  private func sums(_ arguments: KernelArguments) -> UnsafeMutablePointer<Double>? {
    arguments.scratch.map { ($0 + offset).assumingMemoryBound(to: Double.self) }
  }

  /// The statistics that the phase computed for one lane of a block.
  func moments(_ arguments: KernelArguments, block: Int, lane: Int) -> Moments {
    guard let sums = sums(arguments), images * positions > 0 else {
      return Moments(mean: .nan, variance: .nan, gradientSum: 0, gradientProduct: 0)
    }
    var totals = SIMD4<Double>(repeating: 0)
    for part in 0..<partCount {
      let place = sums + (block * partCount + part) * BlockedStatistics.partSize + lane
      for sum in 0..<4 { totals[sum] += place[sum * channelBlock] }
    }
    let count = Double(images * positions)
    let origin = arguments.input(image, as: Float.self)[block * positions * channelBlock + lane]
    let deviation = totals[0] / count
    return Moments(
      mean: Double(origin) + deviation,
      variance: max(0, totals[1] / count - deviation * deviation), gradientSum: totals[2],
      gradientProduct: totals[3] - deviation * totals[2])
  }
}
