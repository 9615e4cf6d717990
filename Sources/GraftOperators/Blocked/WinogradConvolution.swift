import CGraftKernels
import GraftExecution

/// A 3 x 3 convolution with stride 1 by Winograd's algorithm: input tiles are transformed,
/// multiplied pointwise by transformed weights, and transformed back.
///
/// With many tiles, each task processes a few tiles completely, whose transforms stay in its part
/// of the cache. With few tiles, weights are larger than images: all tiles are transformed first,
/// then each task multiplies them by a part of the output channels, so that each weight is read
/// once.
/// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks",
/// <https://arxiv.org/abs/1509.09308>
struct WinogradConvolution: Sendable {
  private let problem: BlockedConvolutionProblem
  private let instructionSet: InstructionSet
  private let panelColumns: Int
  private let formIndex: Int
  private let weights: PackedOperand
  private let bias: PackedOperand?
  private let tileCount: Int
  private let panelCount: Int
  private let pointCount: Int
  private let scheme: Scheme
  private var scratch = ScratchLayout()

  /// How tiles are distributed to tasks. Depends only on shapes.
  enum Scheme: Sendable, Equatable {
    /// Tasks of about this many tiles each.
    case tiles(perTask: Int)
    /// Chunks of tiles, one after another, in groups; a task multiplies a group by a panel.
    case panels
  }

  /// The bytes of transforms and products that stay in the L2 cache.
  private static let cacheSize = 720 << 10
  /// The limit for a task with as many tiles as a full register tile has rows, beyond which sharing
  /// is better: with few rows each task would read all weights for little work.
  private static func largestTask(rows: Int) -> Int { (rows < 12 ? 220 : 1100) << 10 }
  private static let fewestTasks = 8
  private static let tilesPerGroup = 56
  private static let tilesPerChunk = 196

  init(
    _ problem: BlockedConvolutionProblem, tileExtent: Int, scheme: Scheme? = nil,
    _ context: PrepareContext
  ) throws {
    self.problem = problem
    let instructionSet = context.instructionSet
    self.instructionSet = instructionSet
    let table = instructionSet.kernels.pointee.blocked.pointee.product
    panelColumns = table.panel_columns
    formIndex = tileExtent / 2 - 1
    let pointCount = (tileExtent + 2) * (tileExtent + 2)
    self.pointCount = pointCount
    tileCount = problem.tileCount(extent: tileExtent)
    let panelCount = problem.panelCount(panelColumns: table.panel_columns)
    self.panelCount = panelCount
    self.scheme =
      scheme
      ?? WinogradConvolution.defaultScheme(
        problem, tileExtent: tileExtent, BlockedProduct(context.instructionSet))

    let formIndex = formIndex
    weights = try PackedOperand(
      input: 1,
      count: pointCount * problem.inputParts * problem.outputBlocks * channelBlock * channelBlock,
      taskCount: panelCount, format: "winograd/\(tileExtent)/\(table.panel_columns)",
      scratch: &scratch, context
    ) { source, panel, packed in
      let table = instructionSet.kernels.pointee.blocked
      graft_winograd_pack(
        table, table.pointee.winograd + formIndex, source, problem.outputChannels,
        problem.inputChannels, problem.inputChannels * 9, 9, panel, packed)
    }
    bias =
      problem.hasBias
      ? try .channels(input: 2, scratch: &scratch, context) : nil
  }

  static func defaultScheme(
    _ problem: BlockedConvolutionProblem, tileExtent: Int, _ product: BlockedProduct
  ) -> Scheme {
    let channels = problem.inputParts * channelBlock + product.panelColumns
    let pointCount = (tileExtent + 2) * (tileExtent + 2)
    let bytesPerTile = pointCount * channels * MemoryLayout<Float>.size
    let tileCount = problem.tileCount(extent: tileExtent)
    let rows = product.maximumRows
    let perTask = min(2 * rows, max(1, cacheSize / bytesPerTile / rows) * rows)
    guard rows * bytesPerTile <= largestTask(rows: rows) else { return .panels }
    if tileCount >= fewestTasks * perTask { return .tiles(perTask: perTask) }
    if tileCount >= fewestTasks * rows { return .tiles(perTask: rows) }
    return .panels
  }

  func kernel() throws -> PreparedKernel {
    var phases = [weights.phase, bias?.phase].compactMap { $0 }
    let workerFloats: Int
    var scratch = scratch
    switch scheme {
    case .tiles(let perTask):
      let taskCount = (tileCount + perTask - 1) / perTask
      let pointStride = perTask * problem.inputParts * channelBlock + channelBlock
      let transformedCount = pointCount * pointStride
      workerFloats = transformedCount + productCount(tiles: perTask)
      phases.append(
        PreparedKernel.Phase(taskCount: taskCount) { [self] arguments, task in
          guard let memory = arguments.workerScratch?.assumingMemoryBound(to: Float.self)
          else { return }
          let tiles = evenRange(of: tileCount, part: task, partCount: taskCount)
          withProblem(arguments, pointStride: pointStride) { description in
            graft_winograd_transform(
              description, tiles.lowerBound, tiles.count, 0, problem.inputParts, memory)
            for panel in 0..<panelCount {
              graft_winograd_multiply(
                description, memory, tiles.lowerBound, tiles.count, panel, 1,
                memory + transformedCount)
            }
          }
        })
    case .panels:
      let tilesPerChunk = WinogradConvolution.tilesPerChunk
      let chunkCount = (tileCount + tilesPerChunk - 1) / tilesPerChunk
      let largestChunk = evenRange(of: tileCount, part: 0, partCount: chunkCount).count
      let largestGroup = min(largestChunk, WinogradConvolution.tilesPerGroup)
      workerFloats = productCount(tiles: largestGroup)
      let pointStride = largestChunk * problem.inputParts * channelBlock + channelBlock
      let offset = try scratch.reserve(floatCount: pointCount * pointStride)
      for chunk in 0..<chunkCount {
        let tiles = evenRange(of: tileCount, part: chunk, partCount: chunkCount)
        phases += panelPhases(
          tiles, groupCount: WinogradConvolution.groupCount(tiles.count),
          pointStride: pointStride, offset: offset)
      }
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: scratch.byteCount,
      workerScratchByteCount: workerFloats * MemoryLayout<Float>.size,
      inPlaceInputs: problem.hasResidual && !problem.pools ? [3] : [])
  }

  private static func groupCount(_ tileCount: Int) -> Int {
    (tileCount + tilesPerGroup - 1) / tilesPerGroup
  }

  /// The phases that transform some tiles, and multiply them by all panels.
  private func panelPhases(
    _ tiles: Range<Int>, groupCount: Int, pointStride: Int, offset: Int
  ) -> [PreparedKernel.Phase] {
    @Sendable func group(_ index: Int) -> (tiles: Range<Int>, offset: Int) {
      let part = evenRange(of: tiles.count, part: index, partCount: groupCount)
      let first = tiles.lowerBound + part.lowerBound
      return (first..<first + part.count, part.lowerBound * problem.inputParts * channelBlock)
    }
    @Sendable func transformed(_ arguments: KernelArguments) -> UnsafeMutablePointer<Float>? {
      arguments.scratch.map { ($0 + offset).assumingMemoryBound(to: Float.self) }
    }
    let transform = PreparedKernel.Phase(taskCount: groupCount * problem.inputParts) {
      [self] arguments, task in
      guard let target = transformed(arguments) else { return }
      let (index, block) = task.quotientAndRemainder(dividingBy: problem.inputParts)
      let group = group(index)
      withProblem(arguments, pointStride: pointStride) { description in
        graft_winograd_transform(
          description, group.tiles.lowerBound, group.tiles.count, block, 1, target + group.offset)
      }
    }
    let multiply = PreparedKernel.Phase(taskCount: groupCount * panelCount) {
      [self] arguments, task in
      guard let source = transformed(arguments),
        let products = arguments.workerScratch?.assumingMemoryBound(to: Float.self)
      else { return }
      let (panel, index) = task.quotientAndRemainder(dividingBy: groupCount)
      let group = group(index)
      withProblem(arguments, pointStride: pointStride) { description in
        graft_winograd_multiply(
          description, source + group.offset, group.tiles.lowerBound, group.tiles.count, panel, 1,
          products)
      }
    }
    return [transform, multiply]
  }

  private func productCount(tiles: Int) -> Int {
    pointCount * (tiles * panelColumns + channelBlock)
  }

  private func withProblem(
    _ arguments: KernelArguments, pointStride: Int,
    _ body: (UnsafePointer<graft_winograd_problem>) -> Void
  ) {
    let table = instructionSet.kernels.pointee.blocked
    var description = graft_winograd_problem()
    description.table = table
    description.form = UnsafePointer(table.pointee.winograd + formIndex)
    description.image_count = problem.imageCount
    description.input_channels = problem.inputChannels
    description.input_blocks = problem.inputParts
    description.output_blocks = problem.outputBlocks
    description.input_height = problem.input.height
    description.input_width = problem.input.width
    description.output_height = problem.output.height
    description.output_width = problem.output.width
    description.pad_top = problem.padding.height
    description.pad_left = problem.padding.width
    description.input = arguments.input(0, as: Float.self)
    description.weights = weights.pointer(arguments)
    description.bias = bias?.pointer(arguments)
    description.residual = arguments.optionalInput(3, as: Float.self)
    description.output = arguments.output(0, as: Float.self)
    description.activation = problem.activation
    description.pools = problem.pools ? 1 : 0
    description.point_stride = pointStride
    body(&description)
  }
}
