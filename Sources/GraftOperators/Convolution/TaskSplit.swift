/// How a convolution's output is cut into tasks. Depends on shapes alone, never on the number of
/// threads.
///
/// A task unrolls the part of the image that it reads, so that few tasks should share positions;
/// but there should be enough tasks for even work on several threads, on small maps too.
struct TaskSplit {
  /// Row panels of a task, and tasks that divide the rows.
  private(set) var panelsPerTask: Int
  private(set) var blockCount: Int
  /// Tasks that divide the positions.
  private(set) var rangeCount: Int

  private static let positionsPerTask = 384
  private static let wantedTaskCount = 8
  private static let fewestPanels = 2
  /// Multiply-adds that make a task worth handing out.
  private static let minimumWork = 1 << 19

  /// - Parameters:
  ///   - repetitions: images times groups
  ///   - maximumRows: rows of a full panel
  ///   - panelColumns: positions that a task takes at once
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
