import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Determinants of square matrices: `[…, M, M]` to `[…]`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Det.html>
struct Det: Operator {
  static let schema = OperatorSchema("Det", since: [11, 22], sameSince: 11, inputs: 1...1)
  static let isLaborious = true

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    try shape.requireSquareMatrices()
    context.setOutput(0, elementType, Array(shape.dropLast(2)))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let order = input.shape[input.rank - 1]
    let type = input.elementType
    let size = try matrixSize(order)
    return PreparedKernel.parallel(
      count: try context.output(0).elementCount, grain: max(1, 16384 / (size * order + 1)),
      workerScratchByteCount: size * MemoryLayout<Double>.stride
    ) { arguments, matrices in
      guard let scratch = arguments.workerScratch else { return }
      let matrix = scratch.assumingMemoryBound(to: Double.self)
      for index in matrices {
        try ElementConversion.convert(
          arguments.input(0) + index * size * type.byteWidth, type, to: scratch, .double,
          count: size)
        var determinant = eliminate(matrix, order)
        try ElementConversion.convert(
          &determinant, .double, to: arguments.output(0) + index * type.byteWidth, type, count: 1)
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "DetGradient", domain: "graft", [try builder.outputGradient(), try builder.input(0)]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one matrix", inputs: [.floats([0, 1, 2, 3], [2, 2])], outputs: [.floats([-2], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "several, one of them singular",
        inputs: [
          .floats(
            [2, -1, 0, 1, 3, 2, 0, 4, 1, 1, 2, 3, 2, 4, 6, -1, 0.5, 2], [2, 3, 3])
        ], outputs: [.floats([-9, 0], [2])], differentiableInputs: [0]),
      OperatorExample(
        "of rank 1", inputs: [.floats([1, 2, 3, 2, 4, 6, 3, 6, 9], [1, 3, 3])],
        outputs: [.floats([0], [1])], differentiableInputs: [0]),
      OperatorExample(
        "of order 1 and 0", inputs: [.floats([-3], [1, 1, 1])], outputs: [.floats([-3], [1])],
        differentiableInputs: [0]),
      OperatorExample("empty", inputs: [.floats([], [2, 0, 0])], outputs: [.floats([1, 1], [2])]),
    ]
  }
}

/// The elements of a square matrix.
///
/// - Throws: `GraftError` if there are too many
func matrixSize(_ order: Int) throws -> Int {
  guard order < 1 << 20 else {
    throw GraftError(.operatingSystem, "a matrix of order \(order) needs too much memory")
  }
  return order * order
}

extension [Dimension] {
  /// - Throws: `GraftError` if this is not the shape of square matrices
  func requireSquareMatrices() throws {
    guard count >= 2, self[count - 2].isCompatible(with: self[count - 1]) else {
      throw GraftError.badData("input shape \(self) is not that of square matrices")
    }
  }
}

/// Gaussian elimination with partial pivoting, in place.
///
/// - Returns: the determinant
private func eliminate(_ matrix: UnsafeMutablePointer<Double>, _ order: Int) -> Double {
  var determinant = 1.0
  for column in 0..<order {
    var pivot = column
    for row in column..<order
    where abs(matrix[row * order + column]) > abs(matrix[pivot * order + column]) {
      pivot = row
    }
    let value = matrix[pivot * order + column]
    determinant *= value
    // NaN goes on to the result.
    guard value != 0 else { return 0 }
    if pivot != column {
      determinant = -determinant
      for place in column..<order {
        let (a, b) = (column * order + place, pivot * order + place)
        (matrix[a], matrix[b]) = (matrix[b], matrix[a])
      }
    }
    for row in (column + 1)..<order {
      let factor = matrix[row * order + column] / value
      guard factor != 0 else { continue }
      for place in (column + 1)..<order {
        matrix[row * order + place] -= factor * matrix[column * order + place]
      }
    }
  }
  return determinant
}
