/// How the result of a matrix product is divided into tasks.
///
/// A block packs its own part of both matrices, so that blocks should be large; but there should be
/// enough of them for many threads. Depends only on shapes, never on the number of threads.
struct MatrixBlocks: Sendable {
  let rows: Int
  let columns: Int
  private(set) var rowBlockCount: Int
  private(set) var columnBlockCount: Int

  /// The largest rows and columns whose packed blocks fit in the L2 cache together.
  private static let maximumRows = 224
  private static let maximumColumns = 512
  /// Columns of a block start at multiples of this, the widest vector tile.
  private static let columnUnit = 32
  private static let rowUnit = 14
  private static let wantedTaskCount = 16
  /// The smallest number of multiply-adds for a task.
  private static let minimumWork = 1 << 19

  /// - Parameter repetitions: the number of products with these shapes
  init(rows: Int, columns: Int, depth: Int, repetitions: Int) {
    self.rows = rows
    self.columns = columns
    rowBlockCount = MatrixBlocks.divideUp(rows, by: MatrixBlocks.maximumRows)
    columnBlockCount = MatrixBlocks.divideUp(columns, by: MatrixBlocks.maximumColumns)
    let work = Double(rows) * Double(columns) * Double(max(depth, 1))
    while repetitions * count < MatrixBlocks.wantedTaskCount,
      work / Double(count * 2) > Double(MatrixBlocks.minimumWork)
    {
      let blockRows = rows / rowBlockCount
      let blockColumns = columns / columnBlockCount
      // Narrow blocks pack the other side more often, so that the longer side is halved.
      if blockColumns >= 2 * MatrixBlocks.columnUnit, blockColumns >= blockRows {
        columnBlockCount *= 2
      } else if blockRows >= 2 * MatrixBlocks.rowUnit {
        rowBlockCount *= 2
      } else if blockColumns >= 2 * MatrixBlocks.columnUnit {
        columnBlockCount *= 2
      } else {
        break
      }
    }
  }

  var count: Int { rowBlockCount * columnBlockCount }
  var largestRowCount: Int { MatrixBlocks.divideUp(rows, by: rowBlockCount) }
  var largestColumnCount: Int {
    let units = MatrixBlocks.divideUp(columns, by: MatrixBlocks.columnUnit)
    return MatrixBlocks.divideUp(units, by: columnBlockCount) * MatrixBlocks.columnUnit
  }

  func ranges(ofBlock block: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let (columnBlock, rowBlock) = block.quotientAndRemainder(dividingBy: rowBlockCount)
    let units = MatrixBlocks.divideUp(columns, by: MatrixBlocks.columnUnit)
    let unitRange = evenRange(of: units, part: columnBlock, partCount: columnBlockCount)
    let firstColumn = unitRange.lowerBound * MatrixBlocks.columnUnit
    let endColumn = min(unitRange.upperBound * MatrixBlocks.columnUnit, columns)
    return (
      evenRange(of: rows, part: rowBlock, partCount: rowBlockCount),
      firstColumn..<max(firstColumn, endColumn)
    )
  }

  private static func divideUp(_ count: Int, by size: Int) -> Int { (count + size - 1) / size }
}

/// Part `part` of `count` items that are distributed evenly over `partCount` parts, in order.
func evenRange(of count: Int, part: Int, partCount: Int) -> Range<Int> {
  let (quotient, remainder) = count.quotientAndRemainder(dividingBy: partCount)
  let start = part * quotient + min(part, remainder)
  return start..<(start + quotient + (part < remainder ? 1 : 0))
}
