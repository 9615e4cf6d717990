import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// x · w + addend, where the weights are integers that stand for real numbers: MatMul or Gemm of a
/// DequantizeLinear that is never stored. Weights are read where they lie, and widened part by
/// part.
///
/// Inputs: x [..., K]; weights [K, N], or [N, K] with `transB`; their scales and zero points
/// (optional) as in DequantizeLinear, with `axis` and `block_size`; the addend [N] (optional).
/// With `packed`, an element type of 4 bits, each byte of the weights holds two elements of it.
package struct MatMulQuantizedWeights: Operator {
  package static let schema = OperatorSchema(
    "MatMulQuantizedWeights", domain: "graft", since: [1], inputs: 3...5)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds

  private let isTransposed: Bool
  private let axis: QuantizationAxis
  private let packed: ElementType?

  package init(_ attributes: AttributeReader) throws {
    isTransposed = try attributes.flag("transB")
    axis = try QuantizationAxis(attributes)
    packed = try attributes.elementType("packed")
    guard packed == nil || packed == .int4 || packed == .uint4 else {
      throw GraftError.badData("elements of \(packed!) are not packed")
    }
  }

  /// The integers that weights may be.
  package static let weightTypes: Set<ElementType> = [
    .int2, .uint2, .int4, .uint4, .int8, .uint8,
  ]

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float, .float16, .bfloat16])
    try context.require(1, packed == nil ? MatMulQuantizedWeights.weightTypes : [.uint8])
    try context.require(2, [.float, .float16, .bfloat16, .float8e8m0])
    if context.hasInput(3) { try context.require(3, MatMulQuantizedWeights.weightTypes) }
    try context.requireSameElementType([0, 4])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let x = try context.shape(0)
    guard let weights = try context.shape(1).knownShape, weights.count == 2, x.count > 0 else {
      throw GraftError.badData("weights must be a matrix of known shape, and x no scalar")
    }
    let matrix = try matrix(weights)
    let (depth, columns) = isTransposed ? (matrix[1], matrix[0]) : (matrix[0], matrix[1])
    if let found = x[x.count - 1].known, found != depth {
      throw GraftError.badData("x has \(found) columns, the weights have \(depth) rows")
    }
    context.setOutput(0, elementType, x.dropLast() + [.known(columns)])
    if let scale = try context.input(2).shape?.knownShape {
      _ = try axis.granularity(matrix, scale: scale)
      if context.hasInput(3) { try context.requireShape(3, [Dimension](scale)) }
    }
    if context.hasInput(4) { try context.requireShape(4, [.known(columns)]) }
  }

  /// The shape of the weights by element.
  private func matrix(_ weights: Shape) throws -> Shape {
    _ = try weights.checkedElementCount()
    return packed == nil ? weights : [weights[0], 2 * weights[1]]
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    if Set.halfPrecision.contains(try context.input(0).elementType) {
      return try context.converting(.halfPrecision, to: .float, prepare)
    }
    let weights = try context.input(1)
    let output = try context.output(0)
    guard output.elementCount > 0 else { return .tasks(0) { _, _ in } }
    let matrix = try matrix(weights.shape)
    let (depth, columns) = isTransposed ? (matrix[1], matrix[0]) : (matrix[0], matrix[1])
    let rows = output.elementCount / columns
    let strides = try axis.granularity(matrix, scale: try context.input(2).shape).matrixStrides
    let integer: Int32? =
      switch packed {
      case .int4: Int32(GRAFT_INTEGER_I4)
      case .uint4: Int32(GRAFT_INTEGER_U4)
      default: weights.elementType.quantizedInteger
      }
    guard let integer else { throw GraftError.unsupported("weights of \(weights.elementType)") }
    var scratch = ScratchLayout()
    let scales = try ConvertedInput(2, to: .float, scratch: &scratch, context)
    let zeroPoints =
      context.hasInput(3) ? try ConvertedInput(3, to: .int32, scratch: &scratch, context) : nil
    let addend =
      context.hasInput(4) ? try ConvertedInput(4, to: .float, scratch: &scratch, context) : nil
    let converted = [scales, zeroPoints, addend].compactMap { $0 }.filter { !$0.isConstant }
    let isTransposed = isTransposed
    let instructionSet = context.instructionSet
    let blocks = MatrixBlocks(rows: rows, columns: columns, depth: depth, repetitions: 1)
    let product = PreparedKernel.Phase(taskCount: blocks.count) { arguments, task in
      let (rowRange, columnRange) = blocks.ranges(ofBlock: task)
      var problem = graft_widened_problem()
      problem.depth = depth
      problem.a = arguments.input(0, as: Float.self)
      problem.a_row_stride = depth
      problem.integer = integer
      problem.b = arguments.input(1)
      problem.b_depth_stride = isTransposed ? 1 : columns
      problem.b_column_stride = isTransposed ? depth : 1
      problem.scales = scales.pointer(arguments)?.assumingMemoryBound(to: Float.self)
      problem.zero_points = zeroPoints?.pointer(arguments)?.assumingMemoryBound(to: Int32.self)
      problem.depth_block = isTransposed ? strides.columnBlock : strides.rowBlock
      problem.depth_scale_stride = isTransposed ? strides.columnStride : strides.rowStride
      problem.column_block = isTransposed ? strides.rowBlock : strides.columnBlock
      problem.column_scale_stride = isTransposed ? strides.rowStride : strides.columnStride
      problem.addend = addend?.pointer(arguments)?.assumingMemoryBound(to: Float.self)
      problem.c = arguments.output(0, as: Float.self)
      problem.c_row_stride = columns
      instructionSet.kernels.pointee.quantized.pointee.multiply_widened(
        &problem, rowRange.lowerBound, rowRange.count, columnRange.lowerBound, columnRange.count)
    }
    let conversion = PreparedKernel.Phase(taskCount: converted.count) { arguments, task in
      try converted[task].convert(arguments)
    }
    return PreparedKernel(
      phases: converted.isEmpty ? [product] : [conversion, product],
      scratchByteCount: scratch.byteCount)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a scale by column",
        inputs: [
          .floats([1, 2, -1, 0.5], [2, 2]), .example([1, 2, 3, -4, 5, -6] as [Int8], [2, 3]),
          .floats([1, 0.5, 2], [3]),
        ],
        // w = 1, 1, 6; -4, 2.5, -12
        outputs: [.floats([-7, 6, -18, -3, 0.25, -12], [2, 3])]),
      OperatorExample(
        "transposed, with zero points and an addend",
        attributes: ["transB": .int(1), "axis": .int(0)],
        inputs: [
          .floats([1, 2], [1, 1, 2]), .example([1, 2, 3, 4, 5, 6] as [UInt8], [3, 2]),
          .floats([1, 2, 0.5], [3]), .example([1, 0, 4] as [UInt8], [3]),
          .floats([10, 20, 30], [3]),
        ],
        // w = 0, 1; 6, 8; 0.5, 1
        outputs: [.floats([12, 42, 32.5], [1, 1, 3])]),
      OperatorExample(
        "two in a byte, with scales by block",
        attributes: ["packed": .int(22), "axis": .int(0), "block_size": .int(2)],
        inputs: [
          .floats([1, 2, 3], [1, 3]), .example([0x21, 0x43, 0xf8] as [UInt8], [3, 1]),
          .floats([1, 2, 0.5, 3], [2, 2]),
        ],
        // 1, 2; 3, 4; -8, -1 are 1, 4; 3, 8; -4, -3
        outputs: [.floats([-5, 11], [1, 2])]),
    ]
  }
}
