import GraftTensor

/// The layout of elements along one axis: `columnCount` columns of `length` elements, `stride`
/// apart.
struct AxisLayout: Sendable {
  let length: Int
  let stride: Int
  let columnCount: Int

  /// - Throws: `GraftError` if the axis is out of range.
  init(_ shape: Shape, axis: Int) throws {
    let axis = try normalizedAxis(axis, rank: shape.count)
    length = shape[axis]
    stride = shape[(axis + 1)...].reduce(1, *)
    columnCount = shape[..<axis].reduce(1, *) * stride
  }

  /// The position of a column's first element.
  @inline(__always) func start(ofColumn column: Int) -> Int {
    column / stride * stride * length + column % stride
  }

  /// Calls `body` with the parts of a range of columns that are adjacent: the first element's
  /// position, and the number of columns.
  func forEachRun(
    in columns: Range<Int>, _ body: (_ start: Int, _ columnCount: Int) throws -> Void
  ) rethrows {
    var column = columns.lowerBound
    while column < columns.upperBound {
      let count = min(stride - column % stride, columns.upperBound - column)
      try body(start(ofColumn: column), count)
      column += count
    }
  }
}
