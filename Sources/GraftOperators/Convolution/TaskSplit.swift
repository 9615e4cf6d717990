/// How a convolution's output is divided into tasks. Depends only on shapes, never on the number of
/// threads.
///
/// A task unrolls the part of the image that it reads, so that few tasks should share positions.
/// But there should be enough tasks to balance several threads, even on small maps.
struct TaskSplit {
  /// The row panels of a task, and the tasks that divide the rows.
  private(set) var panelsPerTask: Int
  private(set) var blockCount: Int
  /// The tasks that divide the positions.
  private(set) var rangeCount: Int

  private static let positionsPerTask = 384
  private static let wantedTaskCount = 8
  private static let fewestPanels = 2
  /// The smallest number of multiply-adds for a task.
  private static let minimumWork = 1 << 19

  /// - Parameters:
  ///   - repetitions: images times groups
  ///   - maximumRows: the rows of a full panel
  ///   - panelColumns: the positions that a task processes at once
  init(
    rows: Int, depth: Int, positions: Int, repetitions: Int, maximumRows: Int, panelColumns: Int
  ) {
    let panels = (rows + maximumRows - 1) / maximumRows
    let units = (positions + panelColumns - 1) / panelColumns
    blockCount = 1
    rangeCount = max(1, (positions + TaskSplit.positionsPerTask - 1) / TaskSplit.positionsPerTask)
    let work = Double(rows) * Double(max(depth, 1)) * Double(positions)
    while repetitions * blockCount * rangeCount < TaskSplit.wantedTaskCount,
      work / Double(blockCount * rangeCount * 2) > Double(TaskSplit.minimumWork)
    {
      if panels / (blockCount * 2) >= TaskSplit.fewestPanels {
        blockCount *= 2
      } else if rangeCount * 2 <= units {
        rangeCount *= 2
      } else {
        break
      }
    }
    panelsPerTask = (panels + blockCount - 1) / blockCount
  }
}
