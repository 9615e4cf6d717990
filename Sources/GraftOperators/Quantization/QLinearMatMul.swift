import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The matrix product of integers of 8 bits that stand for real numbers, with results of 8 bits.
///
/// A result is saturate(round(sum · (scale of A · scale of B / scale)) + zero point). The factor
/// has the type of the scales; its product with the sum is rounded once, to the nearest integer,
/// ties to even. The reference implementation adds the zero point before it rounds, which differs
/// from the specification's formula at ties with odd zero points.
///
/// Inputs: A, B and the result, each with scales and zero points: one, or for A one per row and for
/// B one per column. Operands and results may be floats of 8 bits.
/// Specification: <https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html>
package struct QLinearMatMul: Operator {
  package static let schema = OperatorSchema(
    "QLinearMatMul", since: [10, 21], sameSince: 10, inputs: 8...8)

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 3, 7] { try context.require(index, Set.bytes.union(Set.narrowFloats)) }
    for index in [1, 4, 6] { try context.require(index, [.float, .float16, .bfloat16]) }
    try context.requireSameElementType([0, 2])
    try context.requireSameElementType([3, 5])
    try context.requireSameElementType([1, 4, 6])
    let types = try [0, 3, 7].map { try context.elementType($0) }
    guard types.allSatisfy({ $0.isInteger == types[0].isInteger }) else {
      throw GraftError.badData("\(types[0]), \(types[1]) and \(types[2]) are not multiplied")
    }
    context.setOutput(0, types[2], nil)
    context.setOutput(0, types[2], try context.productShape(0, 3))
    for index in [1, 2] { try context.requireOneOrEachRow(index, of: 0) }
    for index in [4, 5] { try context.requireOneOrEachColumn(index, of: 3) }
    for index in [6, 7] { try context.requireOneElement(index) }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let product = MatMul.product(try context.input(0).shape, try context.input(3).shape)
    guard try context.input(0).elementType.isInteger else {
      return try NarrowFloatProduct(product, context).kernel()
    }
    return try IntegerMatrixProduct(
      product, .init(left: 0, leftZeroPoints: 2, right: 3, rightZeroPoints: 5),
      .bytes(Requantization(leftScale: 1, rightScale: 4, scale: 6, zeroPoint: 7, context)), context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one scale",
        inputs: [
          .example([208, 236, 0, 238, 3, 214, 255, 29] as [UInt8], [2, 4]),
          .floats([0.0066], [1]), .example([113] as [UInt8], [1]),
          .example([152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247] as [UInt8], [4, 3]),
          .floats([0.00705], [1]), .example([114] as [UInt8], [1]), .floats([0.0107], [1]),
          .example([118] as [UInt8], [1]),
        ],
        outputs: [.example([168, 115, 255, 1, 66, 151] as [UInt8], [2, 3])]),
      OperatorExample(
        "scales by row and column",
        inputs: [
          .example([1, -2, 3, 4] as [Int8], [2, 2]), .floats([0.5, 2], [2]),
          .example([1, -1] as [Int8], [2]), .example([1, 2, 3, 4, 5, 6] as [UInt8], [2, 3]),
          .floats([1, 0.5, 3], [3]), .example([1, 2, 5] as [UInt8], [3]), .floats([1], []),
          .example([100] as [UInt8], []),
        ],
        // Of the sums -9, -9, -3 and 15, 15, -3
        outputs: [.example([96, 98, 96, 130, 115, 82] as [UInt8], [2, 3])]),
    ]
  }
}

extension Set<ElementType> {
  /// Floats of 8 bits.
  static let narrowFloats: Self = [.float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz]
}

/// A product of matrices of floats of 8 bits, element by element.
private struct NarrowFloatProduct: Sendable {
  let product: MatrixProduct
  let inputTypes: [ElementType]
  let operands: [ConvertedInput]
  let rows: [IntegerMatrixProduct.Broadcast]
  let columns: [IntegerMatrixProduct.Broadcast]
  let scratchByteCount: Int
  let store: ElementStore

  init(_ product: MatrixProduct, _ context: PrepareContext) throws {
    self.product = product
    inputTypes = try (0..<8).map { try context.input($0).elementType }
    var scratch = ScratchLayout()
    operands = try (0..<8).map {
      try ConvertedInput($0, to: .double, scratch: &scratch, context)
    }
    scratchByteCount = scratch.byteCount
    let left = try context.input(0)
    let leftRows = left.rank > 1 ? left.shape[left.rank - 2] : 1
    rows = try [1, 2].map { try .init($0, perMatrix: leftRows, context) }
    columns = try [4, 5].map { try .init($0, perMatrix: product.columns, context) }
    store = ElementStore(try context.output(0).elementType, saturates: true)
  }

  func kernel() -> PreparedKernel {
    PreparedKernel(
      phases: [
        PreparedKernel.Phase(taskCount: operands.count) { [operands] arguments, task in
          try operands[task].convert(arguments)
        },
        .parallel(
          count: product.batch.count * product.rows,
          grain: max(1, (1 << 15) / max(1, product.depth * product.columns))
        ) { [self] arguments, range in
          for row in range {
            for column in 0..<product.columns { multiply(arguments, row, column) }
          }
        },
      ], scratchByteCount: scratchByteCount)
  }

  private func multiply(_ arguments: KernelArguments, _ row: Int, _ column: Int) {
    func numbers(_ input: Int) -> UnsafePointer<Double>? {
      operands[input].pointer(arguments)?.assumingMemoryBound(to: Double.self)
    }
    guard let a = numbers(0), let b = numbers(3), let leftScales = numbers(1),
      let leftZeroPoints = numbers(2), let rightScales = numbers(4),
      let rightZeroPoints = numbers(5), let scale = numbers(6), let zeroPoint = numbers(7)
    else { return }
    let (index, place) = row.quotientAndRemainder(dividingBy: product.rows)
    let offsets = product.batch[index]
    let depth = product.depth
    let leftRow = (depth == 0 ? 0 : offsets.left / depth) + place
    let rightColumn = offsets.right / max(1, depth) + column
    let (leftZero, rightZero) = (
      leftZeroPoints[rows[1].index(leftRow)], rightZeroPoints[columns[1].index(rightColumn)]
    )
    var sum = 0.0
    for k in 0..<depth {
      sum +=
        (a[leftRow * depth + k] - leftZero)
        * (b[offsets.right + k * product.columns + column] - rightZero)
    }
    let factor =
      leftScales[rows[0].index(leftRow)] * rightScales[columns[0].index(rightColumn)] / scale[0]
    store.store(
      sum * factor, zeroPoint: zeroPoint[0], in: arguments.output(0),
      at: offsets.output + place * product.columns + column)
  }
}
