import GraftExecution

/// How the steps of a recurrent node are divided into tasks. Depends only on shapes, never on the
/// number of threads.
struct RecurrentTasks: Sendable {
  private let shape: RecurrentShape
  private let blockCount: Int
  /// Whether each step is a phase, whose tasks take some hidden units of all sequences; otherwise a
  /// task takes some sequences through all steps of a chunk.
  let dividesUnits: Bool
  private let unitParts: Int
  private let sequenceParts: Int

  /// Enough rows for a register tile, and so many that reading weights from beyond L2 pays.
  private static let sequencesPerTask = 8
  private static let sequencesPerLargeTask = 16
  /// The multiply-adds of a task in a step, and the least in a step, and in all of them, for which
  /// a second thread pays.
  private static let unitWork = 1 << 17
  private static let minimumWork = 1 << 16
  private static let minimumTotal = 1 << 19
  /// The multiply-adds of a step from which waiting for each other takes little of it.
  private static let phaseWork = 1 << 24
  /// More steps than this would take too much memory as phases.
  private static let maximumPhaseCount = 1 << 14
  /// Weights in bytes that stay in a processor's L2 cache.
  private static let cachedByteCount = 1 << 18

  init(_ layout: RecurrentLayout) {
    shape = layout.shape
    blockCount = layout.blockCount
    let weightCount =
      Double(layout.cell.gateCount) * Double(shape.units) * Double(shape.units)
    let work = weightCount * Double(shape.batch)
    let parts = max(
      work >= Double(RecurrentTasks.minimumWork) ? 2 : 1,
      Int(min(16, work / Double(RecurrentTasks.unitWork))))
    let isWorthwhile = work * Double(shape.steps) >= Double(RecurrentTasks.minimumTotal)
    unitParts = isWorthwhile ? max(1, min(parts, blockCount)) : 1
    let isLarge = weightCount * Double(layout.width) > Double(RecurrentTasks.cachedByteCount)
    let sequences =
      isLarge ? RecurrentTasks.sequencesPerLargeTask : RecurrentTasks.sequencesPerTask
    sequenceParts = (shape.batch + sequences - 1) / sequences
    dividesUnits =
      shape.steps <= RecurrentTasks.maximumPhaseCount && unitParts > 1
      && (shape.directions * sequenceParts == 1
        || isLarge && work * Double(shape.directions) >= Double(RecurrentTasks.phaseWork))
  }

  /// Runs a stage of a step for some sequences and blocks of units.
  typealias Body =
    @Sendable (
      _ arguments: KernelArguments, _ stage: Int, _ step: Int, _ direction: Int,
      _ sequences: Range<Int>, _ blocks: Range<Int>
    ) -> Void

  /// The phases of some steps in order; `stageCount` stages of a step follow each other.
  func phases(
    _ steps: some Collection<Int> & Sendable, stageCount: Int, body: @escaping Body
  ) -> [PreparedKernel.Phase] {
    guard dividesUnits else {
      return [
        PreparedKernel.Phase(taskCount: shape.directions * sequenceParts) {
          [self] arguments, task in
          let (direction, part) = task.quotientAndRemainder(dividingBy: sequenceParts)
          let sequences = evenRange(of: shape.batch, part: part, partCount: sequenceParts)
          for step in steps {
            for stage in 0..<stageCount {
              body(arguments, stage, step, direction, sequences, 0..<blockCount)
            }
          }
        }
      ]
    }
    var phases: [PreparedKernel.Phase] = []
    for step in steps {
      for stage in 0..<stageCount {
        phases.append(
          PreparedKernel.Phase(taskCount: shape.directions * unitParts) {
            [self] arguments, task in
            let (direction, part) = task.quotientAndRemainder(dividingBy: unitParts)
            body(
              arguments, stage, step, direction, 0..<shape.batch,
              evenRange(of: blockCount, part: part, partCount: unitParts))
          })
      }
    }
    return phases
  }
}
