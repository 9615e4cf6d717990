import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The matrix product with NumPy's semantics: leading axes broadcast; a vector counts as a matrix
/// of one row (left) or one column (right).
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MatMul.html>
package struct MatMul: Operator {
  package static let schema = OperatorSchema(
    "MatMul", since: [1, 9, 13], sameSince: 1, inputs: 2...2)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static let weightInputs = [0, 1]
  package static let isWeightedSum = true
  package static var fusedForm: OperatorSchema? { FusedMatMul.schema }

  package init(_ attributes: AttributeReader) throws {}

  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard let left = inputs[0], let output else { return nil }
    return (output + [left.last ?? 0]).checkedProduct
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .matrixElements)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let left = try context.shape(0)
    let right = try context.shape(1)
    guard let leftDepth = left.last, let rightLast = right.last else {
      throw GraftError.badData("MatMul does not accept scalars")
    }
    let rightDepth = right.count > 1 ? right[right.count - 2] : rightLast
    if let leftDepth = leftDepth.known, let rightDepth = rightDepth.known, leftDepth != rightDepth {
      throw GraftError.badData(
        "shapes \(left) and \(right) do not fit: \(leftDepth) ≠ \(rightDepth)")
    }
    var shape = try broadcast([Array(left.dropLast(2)), Array(right.dropLast(2))])
    if left.count > 1 { shape.append(left[left.count - 2]) }
    if right.count > 1 { shape.append(rightLast) }
    context.setOutput(0, elementType, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float, prepare)
    }
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let left = try context.input(0).shape
    let right = try context.input(1).shape
    return try MatMul.product(left, right).kernel(elementType, context)
  }

  /// The product of matrices with shapes checked by inference.
  static func product(_ left: Shape, _ right: Shape) -> MatrixProduct {
    let depth = left.last ?? 1
    let leftRows = left.count > 1 ? left[left.count - 2] : 1
    let columns = right.count > 1 ? right[right.count - 1] : 1
    let leftBatch = Array(left.dropLast(2))
    let rightBatch = Array(right.dropLast(2))
    var product = MatrixProduct(
      rows: leftRows, columns: columns, depth: depth,
      left: .dense(input: 0, rows: leftRows, columns: depth),
      right: .dense(input: 1, rows: depth, columns: columns))
    if rightBatch.elementCount == 1, rightBatch.count <= leftBatch.count {
      // All matrices on the left are multiplied by the same one: they form one tall matrix.
      product.rows *= leftBatch.elementCount
      return product
    }
    let rank = max(leftBatch.count, rightBatch.count)
    func padded(_ shape: Shape) -> Shape {
      [Int](repeating: 1, count: rank - shape.count) + shape
    }
    let leftExtents = padded(leftBatch)
    let rightExtents = padded(rightBatch)
    let extents = zip(leftExtents, rightExtents).map { $0 == 1 ? $1 : $0 }
    let leftSteps = zip(leftExtents, leftExtents.denseStrides).map { $0 == 1 ? 0 : $1 }
    let rightSteps = zip(rightExtents, rightExtents.denseStrides).map { $0 == 1 ? 0 : $1 }
    product.batch = (0..<extents.elementCount).map { index in
      var left = 0
      var right = 0
      var rest = index
      for axis in extents.indices.reversed() {
        let (quotient, position) = rest.quotientAndRemainder(dividingBy: extents[axis])
        left += position * leftSteps[axis]
        right += position * rightSteps[axis]
        rest = quotient
      }
      return MatrixProduct.Offsets(
        left: left * leftRows * depth, right: right * depth * columns,
        output: index * leftRows * columns)
    }
    return product
  }

  /// dA = dY · Bᵀ and dB = Aᵀ · dY, summed over the axes that were broadcast.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let left = try builder.input(0)
    let right = try builder.input(1)
    guard let leftRank = builder.type(of: left)?.shape?.count,
      let rightRank = builder.type(of: right)?.shape?.count
    else {
      throw GraftError.unsupported("MatMul's gradient needs to know the ranks of its inputs")
    }
    // Vectors get the axis of extent 1 that the product gave them.
    func axes(_ values: Int64...) throws -> ValueID {
      builder.addConstant(try Tensor(values, shape: [values.count]))
    }
    var outputGradient = try builder.outputGradient()
    var wideLeft = left
    var wideRight = right
    if rightRank == 1 {
      outputGradient = builder.add("Unsqueeze", [outputGradient, try axes(-1)])
      wideRight = builder.add("Unsqueeze", [right, try axes(1)])
    }
    if leftRank == 1 {
      outputGradient = builder.add("Unsqueeze", [outputGradient, try axes(-2)])
      wideLeft = builder.add("Unsqueeze", [left, try axes(0)])
    }
    func transposed(_ value: ValueID, rank: Int) -> ValueID {
      var permutation = Array(0..<rank)
      permutation.swapAt(rank - 2, rank - 1)
      return builder.add("Transpose", [value], attributes: ["perm": .ints(permutation)])
    }
    if builder.needs(0) {
      let transposedRight = transposed(wideRight, rank: max(rightRank, 2))
      var gradient = builder.add("MatMul", [outputGradient, transposedRight])
      gradient = builder.add("SumToShape", domain: "graft", [gradient, wideLeft])
      if leftRank == 1 { gradient = builder.add("Squeeze", [gradient, try axes(0)]) }
      builder.setInputGradient(0, gradient)
    }
    if builder.needs(1) {
      let transposedLeft = transposed(wideLeft, rank: max(leftRank, 2))
      var gradient = builder.add("MatMul", [transposedLeft, outputGradient])
      gradient = builder.add("SumToShape", domain: "graft", [gradient, wideRight])
      if rightRank == 1 { gradient = builder.add("Squeeze", [gradient, try axes(1)]) }
      builder.setInputGradient(1, gradient)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "matrices",
        inputs: [.floats([1, 2, 3, 4, 5, 6], [2, 3]), .floats([1, 0, 0, 1, 2, -1], [3, 2])],
        outputs: [.floats([7, -1, 16, -1], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "broadcast batches",
        inputs: [.floats([1, 2, 3, 4], [2, 1, 1, 2]), .floats([1, 2, 3, 4, 5, 6], [3, 2, 1])],
        outputs: [.floats([5, 11, 17, 11, 25, 39], [2, 3, 1, 1])], differentiableInputs: [0, 1]),
      OperatorExample(
        "vector and matrices",
        inputs: [.floats([1, 2], [2]), .floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])],
        outputs: [.floats([7, 10, 19, 22], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "two vectors", inputs: [.floats([1, 2, 3], [3]), .floats([4, 5, 6], [3])],
        outputs: [.floats([32], [])], differentiableInputs: [0, 1]),
      OperatorExample(
        "integers",
        inputs: [.integers([1, -2, 3, 4], [2, 2]), .integers([5, 6, 7, 8], [2, 2])],
        outputs: [.integers([-9, -10, 43, 50], [2, 2])]),
      OperatorExample(
        "nothing to sum", inputs: [.floats([], [2, 0]), .floats([], [0, 3])],
        outputs: [.floats([0, 0, 0, 0, 0, 0], [2, 3])]),
    ]
  }
}

extension Set<ElementType> {
  /// The element types of matrix products in the specification.
  static let matrixElements: Self = floatingPoint.union([.int32, .int64, .uint32, .uint64])
}
