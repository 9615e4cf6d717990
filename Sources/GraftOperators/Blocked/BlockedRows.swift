import GraftExecution

/// How the rows of images in the blocked layout are cut into tasks: they count through all planes,
/// each of which is one block of channels of one image.
struct BlockedRows: Sendable {
  let planeCount: Int
  /// Rows of a plane.
  let rowCount: Int

  /// Operations on blocks that make a task worth handing out.
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
