import GraftTensor

/// A dense shape seen as `[outerCount, extent, innerCount]` around one axis.
struct AxisSplit: Sendable {
  let outerCount: Int
  let extent: Int
  let innerCount: Int

  /// - Parameter axis: counted from the front
  init(_ shape: Shape, axis: Int) {
    outerCount = shape[..<axis].reduce(1, *)
    extent = shape[axis]
    innerCount = shape[(axis + 1)...].reduce(1, *)
  }

  /// Columns along the axis.
  var columnCount: Int { outerCount * innerCount }

  /// Calls `body` for runs of adjacent columns in `range`, with the first column's start and
  /// number. A run has at most `limit` columns.
  @inline(__always)
  func forEachRun(
    in range: Range<Int>, limit: Int,
    _ body: (_ offset: Int, _ column: Int, _ count: Int) throws -> Void
  ) rethrows {
    var column = range.lowerBound
    while column < range.upperBound {
      let (outer, inner) = column.quotientAndRemainder(dividingBy: innerCount)
      let count = min(innerCount - inner, range.upperBound - column, limit)
      try body(outer * extent * innerCount + inner, column, count)
      column += count
    }
  }
}
