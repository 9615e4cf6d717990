import GraftExecution

/// Divides the rows of blocked images into tasks. Rows are numbered through all planes; a plane is
/// one channel block of one image.
struct BlockedRows: Sendable {
  let planeCount: Int
  /// The rows of a plane.
  let rowCount: Int

  /// The smallest number of block operations for a task.
  private static let grain = 8192

  /// - Parameter compute: computes some rows of one plane
  func phase(
    workPerRow: Int,
    compute:
      @escaping @Sendable (_ arguments: KernelArguments, _ plane: Int, _ rows: Range<Int>) -> Void
  ) -> PreparedKernel.Phase {
    let rowCount = rowCount
    return .parallel(
      count: planeCount * rowCount, grain: max(1, BlockedRows.grain / max(1, workPerRow))
    ) { arguments, rows in
      var start = rows.lowerBound
      while start < rows.upperBound {
        let (plane, row) = start.quotientAndRemainder(dividingBy: rowCount)
        let end = min(rows.upperBound, (plane + 1) * rowCount)
        compute(arguments, plane, row..<(row + end - start))
        start = end
      }
    }
  }
}
