import CGraftKernels
import GraftExecution
import GraftTensor

/// A product with constant weights on the right: these are packed in panels once, and rows of the
/// left matrix are read in place.
struct PackedProduct: Sendable {
  private let product: MatrixProduct
  private let element: Int32
  private let instructionSet: InstructionSet
  private let byteWidth: Int
  private let panels: PackedOperand
  private let panelColumns: Int
  private let split: PanelSplit

  /// From this number of elements on, products of few rows stream the weights from where they are,
  /// which may be a mapped file.
  private static let streamedCount = 1 << 22

  /// - Returns: `nil` if the right matrix is not constant, or another algorithm suits better
  init?(_ product: MatrixProduct, _ elementType: ElementType, _ context: PrepareContext) throws {
    guard let element = elementType.kernelElement, elementType.isFloatingPoint,
      let weights = context.constant(product.right.input), weights.elementCount > 0
    else { return nil }
    let size = product.depth * product.columns
    let isFew = product.rows <= GRAFT_GEMV_MAXIMUM_ROWS
    let mayStream =
      product.right.columnStride == 1 ? product.streamsRightMatrix || isFew : isFew
    guard !(mayStream && size >= PackedProduct.streamedCount),
      // These have kernels of their own.
      !(isFew && elementType == .float
        && context.keepsNarrow(product.right.input, atLeast: MatrixProduct.narrowedByteCount))
    else { return nil }
    let instructionSet = context.instructionSet
    let table = instructionSet.kernels.pointee.gemm[Int(element)].pointee
    let width = elementType.byteWidth
    let panelColumns = table.panel_columns
    let panelCount = (product.columns + panelColumns - 1) / panelColumns
    let (depth, columns, right) = (product.depth, product.columns, product.right)
    let matrixCount = weights.elementCount / size
    let packedSize = panelCount * panelColumns * depth
    var scratch = ScratchLayout()
    panels = try PackedOperand(
      input: right.input, elementType: elementType, count: matrixCount * packedSize,
      taskCount: matrixCount * panelCount,
      format: "panels/\(panelColumns) of \(right.columnStride == 1 ? "rows" : "columns")",
      scratch: &scratch, context
    ) { source, task, packed in
      let (matrix, panel) = task.quotientAndRemainder(dividingBy: panelCount)
      let first = panel * panelColumns
      let count = min(panelColumns, columns - first)
      instructionSet.kernels.pointee.gemm[Int(element)].pointee.pack_panel(
        source + (matrix * size + first * right.columnStride) * width, right.rowStride,
        right.columnStride, depth, count,
        count <= panelColumns / 2 ? panelColumns / 2 : panelColumns,
        packed + (matrix * packedSize + first * depth) * width)
    }
    self.product = product
    self.element = element
    self.instructionSet = instructionSet
    self.panelColumns = panelColumns
    byteWidth = width
    split = PanelSplit(
      rows: product.rows, depth: depth, panels: panelCount, panelColumns: panelColumns,
      repetitions: product.batch.count)
  }

  var kernel: PreparedKernel {
    let size = product.depth * product.columns
    let packedSize = split.panels * panelColumns * product.depth
    return .tasks(product.batch.count * split.count) { [self] arguments, task in
      let (index, part) = task.quotientAndRemainder(dividingBy: split.count)
      let (rows, panelRange) = split.ranges(ofTask: part)
      var problem = product.problem(arguments, index, byteWidth: byteWidth)
      problem.b = panels.place.address(arguments).map {
        $0 + product.batch[index].right / size * packedSize * byteWidth
      }
      problem.panel_columns = panelColumns
      instructionSet.kernels.pointee.gemm[Int(element)].pointee.packed_product(
        &problem, rows.lowerBound, rows.count, panelRange.lowerBound, panelRange.count)
    }
  }
}
