import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A product of matrices of bytes whose sums are integers, with the semantics of MatMul.
///
/// The rows of the left matrices are first brought into the form for products, and the right
/// matrices are packed.
struct IntegerMatrixProduct: Sendable {
  /// The roles of the node's inputs.
  struct Inputs: Sendable {
    var left: Int
    var leftZeroPoints: Int?
    var right: Int
    var rightZeroPoints: Int?
    /// Whether the right matrices are transposed.
    var isRightTransposed = false
    /// Added to the rows of sums, or if it has floats, to the rows of what they stand for.
    var bias: Int?
  }

  /// Numbers for the rows of the left matrices, or the columns of the right ones: one for all, one
  /// for each place in a matrix, or one for each in all matrices.
  struct Broadcast: Sendable {
    let input: Int
    private let count: Int
    private let perMatrix: Int

    /// - Parameter perMatrix: the rows or columns of a matrix
    init(_ input: Int, perMatrix: Int, _ context: PrepareContext) throws {
      self.input = input
      self.perMatrix = perMatrix
      count = try context.input(input).elementCount
    }

    var isSingle: Bool { count == 1 }

    /// The index of the number of a place, counted over all matrices.
    func index(_ place: Int) -> Int {
      count == 1 ? 0 : (count == perMatrix ? place % perMatrix : place)
    }
  }

  private let product: MatrixProduct
  private let inputs: Inputs
  private let result: IntegerResult
  private let instructions: IntegerInstructions
  private let leftKind: ByteKind
  private let rightKind: ByteKind
  private let weights: PackedIntegerWeights
  private let parameters: ColumnParameters
  private let leftZeroPoints: Broadcast?
  private let rightZeroPoints: Broadcast?
  private let hasRightZeroPoints: Bool
  private let rightScales: Broadcast?
  /// Scales that differ between rows; results are then requantized in a phase of their own.
  private let rowScales: Broadcast?
  /// The rows of all left matrices, and the bytes of one when prepared.
  private let leftRowCount: Int
  private let rowBytes: Int
  private let rightMatrixCount: Int
  /// Offsets in scratch memory: of the prepared rows, unless they are read in place; of the zero
  /// points of rows, if they differ and remain; of sums that are requantized later.
  private let rowsOffset: Int?
  private let rowZeroPointsOffset: Int?
  private let sumsOffset: Int?
  private let blocks: MatrixBlocks
  private var scratch = ScratchLayout()

  /// - Parameter product: the extents and offsets, from ``MatMul/product(_:_:)``
  init(
    _ product: MatrixProduct, _ inputs: Inputs, _ result: IntegerResult, _ context: PrepareContext
  ) throws {
    self.product = product
    self.inputs = inputs
    self.result = result
    instructions = IntegerInstructions(context)
    let (left, right) = (try context.input(inputs.left), try context.input(inputs.right))
    leftKind = ByteKind(left.elementType)
    rightKind = ByteKind(right.elementType)
    let kernel = instructions.product
    let (columns, depth) = (product.columns, product.depth)
    leftRowCount = depth == 0 ? 0 : left.elementCount / depth
    rightMatrixCount = right.elementCount / max(1, depth * columns)

    let paddedDepth = kernel.paddedDepth(depth)
    weights = try PackedIntegerWeights(
      .init(
        groupCount: rightMatrixCount, groupStride: depth * columns, columnCount: columns,
        columnStride: inputs.isRightTransposed ? depth : 1,
        offsets: (0..<paddedDepth).map { k in
          k < depth ? k * (inputs.isRightTransposed ? 1 : columns) : -1
        }),
      input: inputs.right, scratch: &scratch, context)
    parameters = try ColumnParameters(
      count: rightMatrixCount * weights.paddedColumns, bias: inputs.bias, scratch: &scratch,
      context)
    // Rows of the left matrices are counted over all of them.
    let leftRows = left.rank > 1 ? left.shape[left.rank - 2] : 1
    func broadcast(_ input: Int?, perMatrix: Int) throws -> Broadcast? {
      guard let input, context.hasInput(input) else { return nil }
      return try Broadcast(input, perMatrix: perMatrix, context)
    }
    leftZeroPoints = try broadcast(inputs.leftZeroPoints, perMatrix: leftRows)
    rightZeroPoints = try broadcast(inputs.rightZeroPoints, perMatrix: columns)
    hasRightZeroPoints = context.hasZeroPoints(ofWeights: inputs.rightZeroPoints, kind: rightKind)
    switch result {
    case .sums:
      rightScales = nil
      rowScales = nil
    case .bytes(let requantization):
      rightScales = try broadcast(requantization.rightScale, perMatrix: columns)
      let scales = try broadcast(requantization.leftScale, perMatrix: leftRows)
      rowScales = scales?.isSingle == true ? nil : scales
    case .floats(_, let rightScale):
      rightScales = try broadcast(rightScale, perMatrix: columns)
      rowScales = nil
    }

    rowBytes = paddedDepth * kernel.activationWidth
    let isInPlace = kernel.keepsZeroPoints && !leftKind.isSigned && paddedDepth == depth
    rowsOffset =
      isInPlace
      ? nil
      : try scratch.reserve(
        byteCount: min([leftRowCount, rowBytes].checkedProduct ?? .max, .max - 64))
    rowZeroPointsOffset =
      kernel.keepsZeroPoints && leftZeroPoints?.isSingle == false
      ? try scratch.reserve(floatCount: leftRowCount) : nil
    sumsOffset =
      rowScales != nil
      ? try scratch.reserve(floatCount: try context.output(0).elementCount) : nil
    blocks = MatrixBlocks(
      rows: product.rows, columns: columns, depth: depth, repetitions: product.batch.count)
  }

  func kernel() -> PreparedKernel {
    PreparedKernel(
      phases: [
        weights.phase,
        preparation,
        PreparedKernel.Phase(taskCount: product.batch.count * blocks.count) {
          [self] arguments, task in
          let (index, block) = task.quotientAndRemainder(dividingBy: blocks.count)
          multiply(arguments, index, block)
        },
        sumsOffset.map { requantization(sums: $0) },
      ].compactMap { $0 },
      scratchByteCount: scratch.byteCount,
      workerScratchByteCount: max(
        hasRightZeroPoints ? blocks.largestRowCount * MemoryLayout<Int32>.stride : 0,
        rowScales != nil ? product.columns * MemoryLayout<Float>.stride : 0))
  }

  // MARK: Preparation

  private var preparation: PreparedKernel.Phase {
    let rows = rowsOffset == nil ? 0 : leftRowCount
    let rowsPerTask = max(1, (1 << 15) / max(1, product.depth))
    let taskCount = (rows + rowsPerTask - 1) / rowsPerTask
    return PreparedKernel.Phase(taskCount: 1 + taskCount) { [self] arguments, task in
      if task == 0 {
        makeParameters(arguments)
      } else {
        prepare(arguments, evenRange(of: rows, part: task - 1, partCount: taskCount))
      }
    }
  }

  /// The zero point of a row of the left matrices.
  private func leftZeroPoint(_ arguments: KernelArguments, row: Int) -> Int32 {
    guard let leftZeroPoints else { return 0 }
    return leftKind.integer(arguments.input(leftZeroPoints.input), leftZeroPoints.index(row))
  }

  private func prepare(_ arguments: KernelArguments, _ rows: Range<Int>) {
    guard let rowsOffset, let scratch = arguments.scratch else { return }
    let (kernel, table) = (instructions.product, instructions.table)
    var line = graft_activation_line()
    line.pixel_stride = 1
    line.channel_stride = 1
    line.channels = 1
    line.width = product.depth
    line.right = kernel.paddedDepth(product.depth) - product.depth
    line.is_signed = leftKind.isSigned ? 1 : 0
    for row in rows {
      line.source = arguments.input(inputs.left) + row * product.depth
      line.zero_point = leftZeroPoint(arguments, row: row)
      line.target = scratch + rowsOffset + row * rowBytes
      table.prepare_line(&line, kernel.activation_form)
    }
  }

  private func makeParameters(_ arguments: KernelArguments) {
    parameters.clear(arguments)
    guard let offsets = parameters.offsets(arguments),
      let zeroPoints = parameters.zeroPoints(arguments),
      let multipliers = parameters.multipliers(arguments)
    else { return }
    if let rowZeroPointsOffset, let scratch = arguments.scratch {
      let rowZeroPoints = (scratch + rowZeroPointsOffset).assumingMemoryBound(to: Int32.self)
      for row in 0..<leftRowCount {
        rowZeroPoints[row] = leftZeroPoint(arguments, row: row) + leftKind.activationShift
      }
    }
    let addsZeroPoint = instructions.product.keepsZeroPoints && rowZeroPointsOffset == nil
    let leftZeroPoint =
      addsZeroPoint && leftRowCount > 0
      ? leftZeroPoint(arguments, row: 0) + leftKind.activationShift : 0
    for matrix in 0..<rightMatrixCount {
      let sums = weights.sums(arguments, group: matrix)
      for column in 0..<product.columns {
        let place = matrix * weights.paddedColumns + column
        if let bias = inputs.bias, arguments.hasInput(bias) {
          parameters.setBias(place, arguments, input: bias, column, result)
        }
        if addsZeroPoint, let sums { offsets[place] &-= leftZeroPoint &* sums[column] }
        zeroPoints[place] = -rightKind.weightShift
        if let rightZeroPoints {
          zeroPoints[place] += rightKind.integer(
            arguments.input(rightZeroPoints.input),
            rightZeroPoints.index(matrix * product.columns + column))
        }
      }
    }
    for matrix in 0..<rightMatrixCount {
      let row = multipliers + matrix * weights.paddedColumns
      switch result {
      case .bytes(let requantization) where rowScales == nil:
        let left = requantization.scale(arguments.input(requantization.leftScale))
        setMultipliers(row, arguments, requantization, left: left, matrix: matrix)
      case .floats(let leftScale, let rightScale):
        let left = arguments.input(leftScale, as: Float.self)[0]
        let right = arguments.input(rightScale, as: Float.self)
        for column in 0..<product.columns {
          row[column] =
            left * right[rightScales?.index(matrix * product.columns + column) ?? 0]
        }
      default: break
      }
    }
  }

  /// The factors of a row of results in one product.
  private func setMultipliers(
    _ multipliers: UnsafeMutablePointer<Float>, _ arguments: KernelArguments,
    _ requantization: Requantization, left: Float, matrix: Int
  ) {
    guard let rightScales else { return }
    let output = requantization.scale(arguments.input(requantization.scale))
    for column in 0..<product.columns {
      let right = requantization.scale(
        arguments.input(rightScales.input),
        rightScales.index(matrix * product.columns + column))
      multipliers[column] = requantization.multiplier(left: left, right: right, output: output)
    }
  }

  // MARK: Products

  private func multiply(_ arguments: KernelArguments, _ index: Int, _ block: Int) {
    let (rows, columns) = blocks.ranges(ofBlock: block)
    let kernel = instructions.product
    guard !rows.isEmpty, !columns.isEmpty else { return }
    let offsets = product.batch[index]
    let depth = product.depth
    let leftRow = (depth == 0 ? 0 : offsets.left / depth) + rows.lowerBound
    let matrix = offsets.right / max(1, depth * product.columns)

    var description = graft_integer_problem()
    description.line_count = 1
    description.row_count = rows.count
    description.row_stride = rowBytes
    if let rowsOffset {
      description.activations = arguments.scratch.map {
        UnsafeRawPointer($0 + rowsOffset + leftRow * rowBytes)
      }
    } else {
      description.activations = arguments.input(inputs.left) + leftRow * rowBytes
    }
    description.step_count = 1
    description.step_groups = kernel.paddedDepth(depth) / kernel.group_depth
    description.step_depth = depth
    description.weights = weights.panels(
      arguments, group: matrix, from: columns.lowerBound / kernel.panel_columns)
    description.column_count = columns.count
    let place = matrix * weights.paddedColumns + columns.lowerBound
    description.offsets = parameters.offsets(arguments).map { UnsafePointer($0 + place) }
    description.addends = parameters.addends(arguments).map { UnsafePointer($0 + place) }
    if hasRightZeroPoints {
      description.weight_zero_points =
        parameters.zeroPoints(arguments).map { UnsafePointer($0 + place) }
      description.row_sums = arguments.workerScratch?.assumingMemoryBound(to: Int32.self)
    }
    if let rowZeroPointsOffset {
      description.row_zero_points = arguments.scratch.map {
        UnsafePointer(
          ($0 + rowZeroPointsOffset).assumingMemoryBound(to: Int32.self) + leftRow)
      }
      description.weight_sums = weights.sums(arguments, group: matrix)
        .map { $0 + columns.lowerBound }
    } else {
      description.activation_zero_point =
        leftZeroPoint(arguments, row: leftRow) + leftKind.activationShift
    }
    let output = offsets.output + rows.lowerBound * product.columns + columns.lowerBound
    description.result_row_stride = product.columns
    description.result_column_stride = 1
    description.result_kind = Int32(GRAFT_RESULT_I32)
    if let sumsOffset {
      description.results = arguments.scratch.map { $0 + sumsOffset + output * 4 }
    } else if case .bytes(let requantization) = result {
      description.result_kind = requantization.code
      description.multipliers =
        parameters.multipliers(arguments).map { UnsafePointer($0 + place) }
      (description.zero_point, description.lowest, description.highest) =
        requantization.range(arguments)
      description.results = arguments.output(0) + output
    } else {
      if case .floats = result {
        description.result_kind = Int32(GRAFT_RESULT_F32)
        description.multipliers =
          parameters.multipliers(arguments).map { UnsafePointer($0 + place) }
      }
      description.results = arguments.output(0) + output * 4
    }
    withUnsafePointer(to: 0) { step in
      description.steps = step
      kernel.multiply(&description)
    }
  }

  /// Makes bytes of the sums of rows with scales of their own.
  private func requantization(sums: Int) -> PreparedKernel.Phase {
    let rowCount = product.batch.count * product.rows
    return .parallel(count: rowCount, grain: max(1, 16384 / max(1, product.columns))) {
      [self] arguments, rows in
      guard case .bytes(let requantization) = result, let rowScales,
        let scratch = arguments.scratch,
        let multipliers = arguments.workerScratch?.assumingMemoryBound(to: Float.self)
      else { return }
      let (zeroPoint, lowest, highest) = requantization.range(arguments)
      for row in rows {
        let (index, place) = row.quotientAndRemainder(dividingBy: product.rows)
        let offsets = product.batch[index]
        let leftRow = (product.depth == 0 ? 0 : offsets.left / product.depth) + place
        let left = requantization.scale(
          arguments.input(rowScales.input), rowScales.index(leftRow))
        setMultipliers(
          multipliers, arguments, requantization, left: left,
          matrix: offsets.right / max(1, product.depth * product.columns))
        let output = offsets.output + place * product.columns
        instructions.table.requantize(
          (scratch + sums).assumingMemoryBound(to: Int32.self) + output, multipliers, 1,
          zeroPoint, lowest, highest, arguments.output(0) + output, product.columns)
      }
    }
  }
}

extension InferenceContext {
  /// The shape of the product of inputs `left` and `right`, as for MatMul.
  func productShape(_ left: Int, _ right: Int) throws -> [Dimension] {
    try InferenceContext.productShape(try shape(left), try shape(right))
  }

  /// The shape of the product of matrices, as for MatMul.
  static func productShape(_ left: [Dimension], _ right: [Dimension]) throws -> [Dimension] {
    guard let leftDepth = left.last, let rightLast = right.last else {
      throw GraftError.badData("matrix products do not accept scalars")
    }
    let rightDepth = right.count > 1 ? right[right.count - 2] : rightLast
    if let leftDepth = leftDepth.known, let rightDepth = rightDepth.known, leftDepth != rightDepth {
      throw GraftError.badData(
        "shapes \(left) and \(right) do not fit: \(leftDepth) ≠ \(rightDepth)")
    }
    var shape = try broadcast([Array(left.dropLast(2)), Array(right.dropLast(2))])
    if left.count > 1 { shape.append(left[left.count - 2]) }
    if right.count > 1 { shape.append(rightLast) }
    return shape
  }

  /// Checks numbers for the rows of input `left`: one, one per row of a matrix, or one per row of
  /// all matrices.
  func requireOneOrEachRow(_ index: Int, of left: Int) throws {
    guard let shape = try input(index).shape?.knownShape,
      let matrices = try input(left).shape?.knownShape
    else { return }
    let rows = matrices.count > 1 ? matrices[matrices.count - 2] : 1
    let isEach = shape == [rows] || shape == Array(matrices.dropLast()) + [1]
    guard isEach || shape.allSatisfy({ $0 == 1 }) else {
      throw GraftError.badData(
        "input \(index) has the shape \(shape); expected one element, or one for each row of the "
          + "shape \(matrices)")
    }
  }

  /// The same for the columns of input `right`.
  func requireOneOrEachColumn(_ index: Int, of right: Int) throws {
    guard let shape = try input(index).shape?.knownShape,
      let matrices = try input(right).shape?.knownShape
    else { return }
    let columns = matrices.count > 1 ? matrices[matrices.count - 1] : 1
    let isEach =
      shape == [columns] || matrices.count > 1 && shape == matrices.dropLast(2) + [1, columns]
    guard isEach || shape.allSatisfy({ $0 == 1 }) else {
      throw GraftError.badData(
        "input \(index) has the shape \(shape); expected one element, or one for each column of "
          + "the shape \(matrices)")
    }
  }
}
