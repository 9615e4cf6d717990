import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``Det``: dy times the cofactors of each matrix.
///
/// Inputs: dy `[…]`, X `[…, M, M]`. Cofactors are computed without division by the determinant, so
/// that they are right for singular matrices, too.
struct DetGradient: Operator {
  static let schema = OperatorSchema("DetGradient", domain: "graft", since: [1], inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(1)
    try shape.requireSquareMatrices()
    try context.requireShape(0, Array(shape.dropLast(2)))
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(1)
    let order = input.shape[input.rank - 1]
    let type = input.elementType
    let size = try matrixSize(order)
    let wide = MemoryLayout<Double>.stride
    return PreparedKernel.parallel(
      count: try context.input(0).elementCount, grain: max(1, 4096 / (size * order + 1)),
      workerScratchByteCount: (2 * size + 4 * order) * wide
    ) { arguments, matrices in
      guard let scratch = arguments.workerScratch else { return }
      for index in matrices {
        let place = index * size * type.byteWidth
        try ElementConversion.convert(
          arguments.input(1) + place, type, to: scratch, .double, count: size)
        var dy = 0.0
        try ElementConversion.convert(
          arguments.input(0) + index * type.byteWidth, type, to: &dy, .double, count: 1)
        let matrix = scratch.assumingMemoryBound(to: Double.self)
        var cofactors = Cofactors(
          matrix: matrix, result: matrix + size, vectors: matrix + 2 * size, order: order)
        cofactors.compute()
        for element in 0..<size { cofactors.result[element] *= dy }
        try ElementConversion.convert(
          cofactors.result, .double, to: arguments.output(0) + place, type, count: size)
      }
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "regular", inputs: [.floats([2], [1]), .floats([0, 1, 2, 3], [1, 2, 2])],
        outputs: [.floats([6, -4, -2, 0], [1, 2, 2])]),
      OperatorExample(
        "of rank 2",
        inputs: [.floats([1], []), .floats([1, 2, 3, 2, 4, 6, -1, 0.5, 2], [3, 3])],
        outputs: [.floats([5, -10, 5, -2.5, 5, -2.5, 0, 0, 0], [3, 3])]),
      OperatorExample(
        "of rank 1", inputs: [.floats([1], []), .floats([1, 2, 3, 2, 4, 6, 3, 6, 9], [3, 3])],
        outputs: [.floats([0, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3])]),
      OperatorExample(
        "of order 1", inputs: [.floats([4], [1]), .floats([0], [1, 1, 1])],
        outputs: [.floats([4], [1, 1, 1])]),
    ]
  }
}

/// The cofactors of a matrix A, from P A Q = L U with complete pivoting.
///
/// Cofactors of a product are the product of cofactors: cof A = ± Pᵀ L⁻ᵀ cof(U) Qᵀ. With U = (V u;
/// 0 d) and D = det V, the adjugate of U is (D d V⁻¹, -D V⁻¹ u; 0, D), which does not divide by d.
/// If V is singular too, all cofactors are 0.
private struct Cofactors {
  let matrix: UnsafeMutablePointer<Double>
  let result: UnsafeMutablePointer<Double>
  /// Four vectors.
  let vectors: UnsafeMutablePointer<Double>
  let order: Int

  private var rows: UnsafeMutablePointer<Double> { vectors }
  private var columns: UnsafeMutablePointer<Double> { vectors + order }
  private var sign = 1.0

  init(
    matrix: UnsafeMutablePointer<Double>, result: UnsafeMutablePointer<Double>,
    vectors: UnsafeMutablePointer<Double>, order: Int
  ) {
    self.matrix = matrix
    self.result = result
    self.vectors = vectors
    self.order = order
  }

  mutating func compute() {
    result.update(repeating: 0, count: order * order)
    guard order > 0, decompose() else { return }
    let last = order - 1
    var minor = sign
    for index in 0..<last { minor *= matrix[index * order + index] }
    let d = matrix[last * order + last]
    let solution = vectors + 2 * order
    for unit in 0..<order {
      // L y = the unit vector.
      for row in 0..<order {
        var sum = row == unit ? 1.0 : 0
        for column in 0..<row { sum -= matrix[row * order + column] * solution[column] }
        solution[row] = sum
      }
      // adj(U) y
      let end = solution[last]
      for row in 0..<last {
        solution[row] = d * solution[row] - matrix[row * order + last] * end
      }
      for row in (0..<last).reversed() {
        var sum = solution[row]
        for column in (row + 1)..<last {
          sum -= matrix[row * order + column] * solution[column]
        }
        solution[row] = sum / matrix[row * order + row]
      }
      // This is column `unit` of the transposed cofactors, in the order of the pivots.
      let row = Int(rows[unit])
      for index in 0..<order {
        result[row * order + Int(columns[index])] = minor * solution[index]
      }
    }
  }

  /// - Returns: whether at most the last pivot is 0
  private mutating func decompose() -> Bool {
    for index in 0..<order {
      rows[index] = Double(index)
      columns[index] = Double(index)
    }
    for step in 0..<order {
      var (pivotRow, pivotColumn) = (step, step)
      for row in step..<order {
        for column in step..<order
        where abs(matrix[row * order + column])
          > abs(matrix[pivotRow * order + pivotColumn])
        {
          (pivotRow, pivotColumn) = (row, column)
        }
      }
      if pivotRow != step {
        sign = -sign
        (rows[step], rows[pivotRow]) = (rows[pivotRow], rows[step])
        for column in 0..<order {
          let (a, b) = (step * order + column, pivotRow * order + column)
          (matrix[a], matrix[b]) = (matrix[b], matrix[a])
        }
      }
      if pivotColumn != step {
        sign = -sign
        (columns[step], columns[pivotColumn]) = (columns[pivotColumn], columns[step])
        for row in 0..<order {
          let (a, b) = (row * order + step, row * order + pivotColumn)
          (matrix[a], matrix[b]) = (matrix[b], matrix[a])
        }
      }
      let pivot = matrix[step * order + step]
      guard pivot != 0 else { return step == order - 1 }
      for row in (step + 1)..<order {
        let factor = matrix[row * order + step] / pivot
        matrix[row * order + step] = factor
        for column in (step + 1)..<order {
          matrix[row * order + column] -= factor * matrix[step * order + column]
        }
      }
    }
    return true
  }
}
