import CGraftKernels
import GraftExecution
import GraftTensor

/// A product of few rows with a matrix that is read once, in place: with a batch of 1 that is the
/// whole cost of a fully connected layer.
struct MatrixVectorProduct: Sendable {
  let product: MatrixProduct
  let element: Int32
  let instructionSet: InstructionSet
  let byteWidth: Int
  /// The right matrix in bfloat16, to be read instead, if reduced precision was requested;
  /// everything else is then float.
  let narrowRight: Tensor?

  /// The smallest number of matrix elements for a task.
  private static let grain = 1 << 16

  /// - Parameter asDotProducts: whether columns of the right matrix are contiguous, rather than its
  ///   rows
  func kernel(asDotProducts: Bool) -> PreparedKernel {
    asDotProducts ? dotProductKernel() : rowSumKernel()
  }

  private var kernels: graft_gemv_table {
    if narrowRight != nil { return instructionSet.kernels.pointee.gemv_bf16.pointee }
    let table = instructionSet.kernels.pointee.gemm[Int(element)].pointee
    return graft_gemv_table(
      dot_columns: table.dot_columns, add_rows: table.add_rows, finish_rows: table.finish_rows)
  }

  /// Describes product `index` of the batch to C.
  private func problem(_ arguments: KernelArguments, _ index: Int) -> graft_gemm_problem {
    var problem = product.problem(arguments, index, byteWidth: byteWidth)
    if let narrowRight {
      problem.b = UnsafeRawPointer(
        narrowRight.baseAddress + product.batch[index].right * ElementType.bfloat16.byteWidth)
    }
    return problem
  }

  /// Each task computes some columns.
  private func dotProductKernel() -> PreparedKernel {
    let product = product
    let grain = max(
      4, MatrixVectorProduct.grain / max(product.depth, 1), product.columns / 128)
    let parts = (product.columns + grain - 1) / grain
    return .tasks(product.batch.count * parts) { [self] arguments, task in
      let (index, part) = task.quotientAndRemainder(dividingBy: parts)
      let columns = evenRange(of: product.columns, part: part, partCount: parts)
      var problem = problem(arguments, index)
      kernels.dot_columns(&problem, columns.lowerBound, columns.count)
    }
  }

  /// Each task sums some rows of the matrix, so that memory is read in order; then the sums are
  /// added.
  private func rowSumKernel() -> PreparedKernel {
    let product = product
    // A row of sums should stay in the L1 cache.
    let columnParts = (product.columns + 4095) / 4096
    let columnsPerPart = (product.columns + columnParts - 1) / columnParts
    let work = Double(product.depth) * Double(columnsPerPart)
    let groups = (product.depth + 7) / 8
    // Partial sums of many rows are large themselves.
    let maximumSplits = product.rows <= GRAFT_GEMV_MAXIMUM_ROWS ? 64 : 16
    let splits = max(1, min(maximumSplits, groups, Int(work / Double(MatrixVectorProduct.grain))))
    let size = product.rows * graft_partial_stride(product.columns) * byteWidth
    let finishParts = max(1, min(64, product.columns * splits / 16384))

    let sums = PreparedKernel.Phase(taskCount: product.batch.count * splits * columnParts) {
      [self] arguments, task in
      let (group, columnPart) = task.quotientAndRemainder(dividingBy: columnParts)
      let (index, split) = group.quotientAndRemainder(dividingBy: splits)
      let columns = evenRange(of: product.columns, part: columnPart, partCount: columnParts)
      let groupRange = evenRange(of: groups, part: split, partCount: splits)
      let firstDepth = groupRange.lowerBound * 8
      let endDepth = min(groupRange.upperBound * 8, product.depth)
      var problem = problem(arguments, index)
      kernels.add_rows(
        &problem, firstDepth, endDepth - firstDepth, columns.lowerBound, columns.count,
        arguments.scratch.map { $0 + group * size })
    }
    let finish = PreparedKernel.Phase(taskCount: product.batch.count * finishParts) {
      [self] arguments, task in
      let (index, part) = task.quotientAndRemainder(dividingBy: finishParts)
      let columns = evenRange(of: product.columns, part: part, partCount: finishParts)
      var problem = problem(arguments, index)
      kernels.finish_rows(
        &problem, arguments.scratch.map { $0 + index * splits * size }, splits,
        columns.lowerBound, columns.count)
    }
    return PreparedKernel(
      phases: [sums, finish], scratchByteCount: product.batch.count * splits * size)
  }
}
