/// How a product with packed panels of columns is divided into tasks, by rows and panels.
///
/// The panels of a task are read once, and its rows stay in the L2 cache. Depends only on shapes,
/// never on the number of threads.
struct PanelSplit: Sendable {
  let rows: Int
  let panels: Int
  private let rowParts: Int
  private let panelParts: Int

  /// The elements of a task's rows that stay in the L2 cache.
  private static let cachedElements = 1 << 16
  /// Fewer rows read the panels too often.
  private static let fewestRows = 64
  private static let wantedTaskCount = 24
  /// The smallest number of multiply-adds for a task: a few microseconds.
  private static let minimumWork = 1 << 17

  /// - Parameters:
  ///   - panelColumns: the columns of a panel
  ///   - repetitions: the number of products with these shapes
  init(rows: Int, depth: Int, panels: Int, panelColumns: Int, repetitions: Int = 1) {
    self.rows = rows
    self.panels = panels
    func divideUp(_ count: Int, by size: Int) -> Int { (count + size - 1) / size }
    let cachedRows = max(PanelSplit.fewestRows, PanelSplit.cachedElements / max(1, depth))
    let work = Double(rows) * Double(max(1, depth)) * Double(panels * panelColumns)
    let affordable = max(1, work / Double(PanelSplit.minimumWork))
    let wanted = Int(
      min(affordable, Double(divideUp(PanelSplit.wantedTaskCount, by: max(1, repetitions)))))
    var rowParts = max(1, divideUp(rows, by: cachedRows))
    if rowParts * panels < wanted {
      rowParts = max(
        rowParts,
        min(divideUp(wanted, by: max(1, panels)), rows / PanelSplit.fewestRows))
    }
    self.rowParts = rowParts
    panelParts = max(1, min(panels, divideUp(wanted, by: rowParts)))
  }

  var count: Int { rowParts * panelParts }

  func ranges(ofTask task: Int) -> (rows: Range<Int>, panels: Range<Int>) {
    let (panelPart, rowPart) = task.quotientAndRemainder(dividingBy: rowParts)
    return (
      evenRange(of: rows, part: rowPart, partCount: rowParts),
      evenRange(of: panels, part: panelPart, partCount: panelParts)
    )
  }
}
