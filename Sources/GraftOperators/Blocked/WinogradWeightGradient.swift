import CGraftKernels
import GraftExecution

/// The weight gradient of a 3 x 3 convolution by Winograd's algorithm: dW = Gᵀ [Σ (Bᵀ x B) ⊙ (A dy
/// Aᵀ)] G, summed over tiles.
///
/// Tiles are processed in chunks, whose transforms all tasks share; each task multiplies those of
/// one point for some output channels. Chunks are large enough that reading them outweighs updating
/// the
/// sums they are added to. Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural
/// Networks", <https://arxiv.org/abs/1509.09308>, transposed
struct WinogradWeightGradient: Sendable {
  private let problem: WeightGradientProblem
  private let tileExtent: Int
  private let tileCount: Int
  private let pointCount: Int
  private let chunkCount: Int
  private var scratch = ScratchLayout()
  private let transformedOffset: Int
  private let productOffset: Int

  /// The floats of a chunk's transforms that stay in a cache shared by all threads.
  private static let chunkFloats = 2 << 20
  private static let tilesPerTask = 64
  private static let wantedTaskCount = 64

  init(_ problem: WeightGradientProblem, tileExtent: Int) throws {
    self.problem = problem
    self.tileExtent = tileExtent
    tileCount = problem.tileCount(tileExtent)
    pointCount = (tileExtent + 2) * (tileExtent + 2)
    let productCount = problem.withExtents(tileExtent: tileExtent) {
      graft_weight_gradient_product_count($0)
    }
    let floatsPerTile = pointCount * (problem.inputBlocks + problem.outputBlocks) * channelBlock
    let wanted = max(WinogradWeightGradient.chunkFloats, productCount)
    let tilesPerChunk = max(1, min(tileCount, wanted / floatsPerTile))
    chunkCount = (tileCount + tilesPerChunk - 1) / tilesPerChunk
    let largestChunk = evenRange(of: tileCount, part: 0, partCount: chunkCount).count
    transformedOffset = try scratch.reserve(
      floatCount: problem.withExtents(tileExtent: tileExtent) {
        graft_weight_gradient_transform_count($0, largestChunk)
      })
    productOffset = try scratch.reserve(floatCount: productCount)
  }

  func kernel() -> PreparedKernel {
    var phases: [PreparedKernel.Phase] = []
    for chunk in 0..<chunkCount {
      let tiles = evenRange(of: tileCount, part: chunk, partCount: chunkCount)
      phases.append(transformPhase(tiles))
      phases.append(multiplyPhase(tiles, accumulates: chunk > 0))
    }
    phases.append(
      PreparedKernel.Phase(taskCount: problem.outputBlocks) { [self] arguments, block in
        guard let scratch = arguments.scratch else { return }
        problem.withDescription(arguments, tileExtent: tileExtent) {
          graft_weight_gradient_finish(
            $0, (scratch + productOffset).assumingMemoryBound(to: Float.self), block,
            arguments.output(0, as: Float.self))
        }
      })
    return PreparedKernel(phases: phases, scratchByteCount: scratch.byteCount)
  }

  private func transformPhase(_ tiles: Range<Int>) -> PreparedKernel.Phase {
    let blocks = problem.inputBlocks + problem.outputBlocks
    let groups =
      (tiles.count + WinogradWeightGradient.tilesPerTask - 1) / WinogradWeightGradient.tilesPerTask
    return PreparedKernel.Phase(taskCount: blocks * groups) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let (block, group) = task.quotientAndRemainder(dividingBy: groups)
      let part = evenRange(of: tiles.count, part: group, partCount: groups)
      problem.withDescription(arguments, tileExtent: tileExtent) {
        graft_weight_gradient_transform(
          $0, tiles.lowerBound, tiles.count, block, part.lowerBound, part.count,
          (scratch + transformedOffset).assumingMemoryBound(to: Float.self))
      }
    }
  }

  private func multiplyPhase(_ tiles: Range<Int>, accumulates: Bool) -> PreparedKernel.Phase {
    let parts = max(
      1, min(problem.outputBlocks / 4, WinogradWeightGradient.wantedTaskCount / pointCount))
    return PreparedKernel.Phase(taskCount: pointCount * parts) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let (point, part) = task.quotientAndRemainder(dividingBy: parts)
      let blocks = evenRange(of: problem.outputBlocks, part: part, partCount: parts)
      problem.withDescription(arguments, tileExtent: tileExtent) {
        graft_weight_gradient_multiply(
          $0, (scratch + transformedOffset).assumingMemoryBound(to: Float.self), tiles.count, point,
          blocks.lowerBound, blocks.count, accumulates ? 1 : 0,
          (scratch + productOffset).assumingMemoryBound(to: Float.self))
      }
    }
  }
}
