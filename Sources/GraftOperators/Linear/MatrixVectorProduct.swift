import CGraftKernels

/// A product of few rows with a matrix that is read once, where it lies: at batch 1 that is all the
/// time there is to a fully connected layer.
struct MatrixVectorProduct: Sendable {
  let product: MatrixProduct
  let element: Int32
  let instructionSet: InstructionSet
  let byteWidth: Int

  /// Elements of the matrix that make a task worth handing out.
  private static let grain = 1 << 16

  /// - Parameter asDotProducts: whether columns of the right matrix are contiguous, not its rows
  func kernel(asDotProducts: Bool) -> PreparedKernel {
    asDotProducts ? dotProductKernel() : rowSumKernel()
  }

  /// Each task computes some columns.
  private func dotProductKernel() -> PreparedKernel {
    let product = product
    let element = element
    let instructionSet = instructionSet.rawValue
    let byteWidth = byteWidth
    let grain = max(
      4, MatrixVectorProduct.grain / max(product.depth, 1), product.columns / 128)
    let parts = (product.columns + grain - 1) / grain
    return .tasks(product.batch.count * parts) { arguments, task in
      let (index, part) = task.quotientAndRemainder(dividingBy: parts)
      let columns = evenRange(of: product.columns, part: part, partCount: parts)
      var problem = product.problem(arguments, index, byteWidth: byteWidth)
      graft_gemm_kernels(instructionSet, element).pointee.dot_columns(
        &problem, columns.lowerBound, columns.count)
    }
  }

  /// Each task sums some rows of the matrix, so that memory is read in order; then the sums are
  /// added up.
  private func rowSumKernel() -> PreparedKernel {
    let product = product
    let element = element
    let instructionSet = instructionSet.rawValue
    let byteWidth = byteWidth
    // A row of sums should stay in the L1 cache.
    let columnParts = (product.columns + 4095) / 4096
    let columnsPerPart = (product.columns + columnParts - 1) / columnParts
    let work = Double(product.depth) * Double(columnsPerPart)
    let groups = (product.depth + 7) / 8
    // Partial sums of many rows are large themselves.
    let maximumSplits = product.rows <= GRAFT_GEMV_MAXIMUM_ROWS ? 64 : 16
    let splits = max(1, min(maximumSplits, groups, Int(work / Double(MatrixVectorProduct.grain))))
    let size = product.rows * product.columns * byteWidth
    let finishParts = max(1, min(64, product.columns * splits / 16384))

    let sums = PreparedKernel.Phase(taskCount: product.batch.count * splits * columnParts) {
      arguments, task in
      let (group, columnPart) = task.quotientAndRemainder(dividingBy: columnParts)
      let (index, split) = group.quotientAndRemainder(dividingBy: splits)
      let columns = evenRange(of: product.columns, part: columnPart, partCount: columnParts)
      let groupRange = evenRange(of: groups, part: split, partCount: splits)
      let firstDepth = groupRange.lowerBound * 8
      let endDepth = min(groupRange.upperBound * 8, product.depth)
      var problem = product.problem(arguments, index, byteWidth: byteWidth)
      graft_gemm_kernels(instructionSet, element).pointee.add_rows(
        &problem, firstDepth, endDepth - firstDepth, columns.lowerBound, columns.count,
        arguments.scratch.map { $0 + group * size })
    }
    let finish = PreparedKernel.Phase(taskCount: product.batch.count * finishParts) {
      arguments, task in
      let (index, part) = task.quotientAndRemainder(dividingBy: finishParts)
      let columns = evenRange(of: product.columns, part: part, partCount: finishParts)
      var problem = product.problem(arguments, index, byteWidth: byteWidth)
      graft_gemm_kernels(instructionSet, element).pointee.finish_rows(
        &problem, arguments.scratch.map { $0 + index * splits * size }, splits,
        columns.lowerBound, columns.count)
    }
    return PreparedKernel(
      phases: [sums, finish], scratchByteCount: product.batch.count * splits * size)
  }
}
