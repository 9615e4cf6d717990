import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// activation(alpha · A · B + beta · addend + residual) for a batch of matrices of equal shapes, as
/// a kernel.
///
/// The choice between three algorithms, and the division into tasks, depends only on shapes and on
/// what is constant: constant weights are packed once (``PackedProduct``); with few rows, other
/// right matrices are streamed in place; with more rows, both matrices are packed block by block.
struct MatrixProduct: Sendable {
  /// The layout of a matrix: steps in elements between rows and between columns, one of which is 1.
  struct Operand: Sendable {
    var input: Int
    var rowStride: Int
    var columnStride: Int

    /// A dense matrix with `columns` columns, or the transpose of one with `rows` columns.
    static func dense(
      input: Int, rows: Int, columns: Int, isTransposed: Bool = false
    ) -> Operand {
      isTransposed
        ? Operand(input: input, rowStride: 1, columnStride: rows)
        : Operand(input: input, rowStride: columns, columnStride: 1)
    }
  }

  /// The addend of the product.
  struct Addend: Sendable {
    var input: Int
    /// Whether there is an element for each column, rather than for each row.
    var spansColumns: Bool
    /// The step between rows; 0 repeats the row or the element.
    var rowStride: Int

    /// An addend of `shape`, which broadcasts to rows x columns.
    init(input: Int, shape: Shape, columns: Int) {
      let lastExtent = shape.last ?? 1
      let rowCount = shape.count > 1 ? shape[shape.count - 2] : 1
      self.input = input
      spansColumns = lastExtent == columns
      rowStride = rowCount == 1 ? 0 : lastExtent
    }
  }

  /// The offsets of one product's matrices in the batch, in elements.
  struct Offsets: Sendable {
    var left = 0
    var right = 0
    var output = 0
  }

  var rows: Int
  var columns: Int
  var depth: Int
  var left: Operand
  var right: Operand
  var batch = [Offsets()]
  var addend: Addend?
  /// An input of the output's shape.
  var residual: Int?
  var alpha = 1.0
  var beta = 1.0
  var activation = FusedActivation.identity

  /// The size of constant floats from which rounding to bfloat16 pays off: too large for the L2
  /// cache.
  static let narrowedByteCount = 1 << 20

  /// The kernel, for element types of the C kernels.
  func kernel(_ elementType: ElementType, _ context: PrepareContext) throws -> PreparedKernel {
    let instructionSet = context.instructionSet
    let element = try elementType.requireKernelElement()
    guard rows > 0, columns > 0, !batch.isEmpty else { return .tasks(0) { _, _ in } }
    let product = normalized
    if let packed = try PackedProduct(product, elementType, context) {
      var kernel = packed.kernel
      kernel.inPlaceInputs = residual.map { [$0] } ?? []
      return kernel
    }
    if let residual { return try kernel(addingAfterwards: residual, elementType, context) }
    let hasDotProducts = product.left.columnStride == 1 && product.right.rowStride == 1
    let hasRowSums =
      product.right.columnStride == 1
      && (product.rows <= GRAFT_GEMV_MAXIMUM_ROWS || product.streamsRightMatrix)
    if product.rows <= GRAFT_GEMV_MAXIMUM_ROWS && hasDotProducts || hasRowSums {
      return MatrixVectorProduct(
        product: product, element: element, instructionSet: instructionSet,
        byteWidth: elementType.byteWidth,
        narrowRight: elementType == .float
          ? try context.narrowed(product.right.input, atLeast: MatrixProduct.narrowedByteCount)
          : nil
      ).kernel(asDotProducts: hasDotProducts && product.rows <= GRAFT_GEMV_MAXIMUM_ROWS)
    }
    return product.blockedKernel(element, instructionSet, byteWidth: elementType.byteWidth)
  }

  /// The kernel without the residual, which is added in a phase of its own. There must be no
  /// activation.
  private func kernel(
    addingAfterwards residual: Int, _ elementType: ElementType, _ context: PrepareContext
  ) throws -> PreparedKernel {
    var product = self
    product.residual = nil
    var kernel = try product.kernel(elementType, context)
    guard case .phases(let phases) = kernel.form, activation == .identity else {
      throw GraftError(.software, "a product that cannot add a residual")
    }
    let count = rows * columns * batch.count
    func adding<Element: RealElement>(_: Element.Type) -> PreparedKernel.Phase {
      .parallel(count: count, grain: PrepareContext.elementwiseGrain) { arguments, range in
        let (source, target) = (
          arguments.input(residual, as: Element.self), arguments.output(0, as: Element.self)
        )
        for index in range { target[index] += source[index] }
      }
    }
    let addition = elementType == .double ? adding(Double.self) : adding(Float.self)
    kernel.form = .phases(phases + [addition])
    return kernel
  }

  /// Whether the right matrix is so large that reading it once, in order, outweighs the gain of
  /// packing.
  var streamsRightMatrix: Bool {
    rows <= MatrixProduct.maximumStreamedRows && batch.count == 1 && depth * columns >= 1 << 22
  }

  private static let maximumStreamedRows = Int(GRAFT_ROW_SUM_MAXIMUM_ROWS)

  /// The same product, with one column turned into one row.
  private var normalized: MatrixProduct {
    var product = self
    guard columns == 1, rows > 1 else { return product }
    product.rows = 1
    product.columns = rows
    product.left = Operand(
      input: right.input, rowStride: right.columnStride, columnStride: right.rowStride)
    product.right = Operand(
      input: left.input, rowStride: left.columnStride, columnStride: left.rowStride)
    product.batch = batch.map { Offsets(left: $0.right, right: $0.left, output: $0.output) }
    product.addend?.spansColumns = addend?.rowStride != 0
    product.addend?.rowStride = 0
    return product
  }

  /// Describes product `index` of the batch to C.
  func problem(
    _ arguments: KernelArguments, _ index: Int, byteWidth: Int
  ) -> graft_gemm_problem {
    let offsets = batch[index]
    var problem = graft_gemm_problem()
    problem.rows = rows
    problem.columns = columns
    problem.depth = depth
    problem.a = arguments.input(left.input) + offsets.left * byteWidth
    problem.a_row_stride = left.rowStride
    problem.a_depth_stride = left.columnStride
    problem.b = arguments.input(right.input) + offsets.right * byteWidth
    problem.b_depth_stride = right.rowStride
    problem.b_column_stride = right.columnStride
    problem.c = arguments.output(0) + offsets.output * byteWidth
    problem.c_row_stride = columns
    if let addend, beta != 0 {
      if addend.spansColumns {
        problem.addend = arguments.input(addend.input)
        problem.addend_row_stride = addend.rowStride
      } else {
        problem.row_addend = arguments.input(addend.input)
        problem.row_addend_stride = addend.rowStride
      }
    }
    if let residual {
      problem.residual = arguments.input(residual) + offsets.output * byteWidth
      problem.residual_row_stride = columns
    }
    problem.alpha = alpha
    problem.beta = beta
    problem.activation = activation.parameters
    return problem
  }

  private func blockedKernel(
    _ element: Int32, _ instructionSet: InstructionSet, byteWidth: Int
  ) -> PreparedKernel {
    let blocks = MatrixBlocks(
      rows: rows, columns: columns, depth: depth, repetitions: batch.count)
    let scratch = instructionSet.kernels.pointee.gemm[Int(element)].pointee.scratch_byte_count(
      blocks.largestRowCount, blocks.largestColumnCount, depth)
    return .tasks(batch.count * blocks.count, workerScratchByteCount: scratch) {
      [self] arguments, task in
      let (index, block) = task.quotientAndRemainder(dividingBy: blocks.count)
      let (rowRange, columnRange) = blocks.ranges(ofBlock: block)
      var problem = problem(arguments, index, byteWidth: byteWidth)
      instructionSet.kernels.pointee.gemm[Int(element)].pointee.product(
        &problem, rowRange.lowerBound, rowRange.count, columnRange.lowerBound, columnRange.count,
        arguments.workerScratch)
    }
  }
}
