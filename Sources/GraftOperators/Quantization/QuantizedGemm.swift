import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``QLinearMatMul`` with a bias, with bounds that take the place of an activation, or with results
/// that are floats.
///
/// Inputs: A [..., K] with scale and zero point; B [..., K, N], or [N, K] with `transB`, with one
/// scale and zero point or one per column; scale and zero point of the result (both omitted for
/// floats); bias [N] (optional), of int32, or of floats, which are added to the real numbers that
/// sums stand for. `bounds` are the lowest and the highest result.
package struct QuantizedGemm: Operator {
  package static let schema = OperatorSchema(
    "QuantizedGemm", domain: "graft", since: [1], inputs: 6...9)

  private let isTransposed: Bool
  private let bounds: ClosedRange<Int32>?

  package init(_ attributes: AttributeReader) throws {
    isTransposed = try attributes.flag("transB")
    bounds = try Requantization.bounds(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in [0, 3] { try context.require(index, .bytes) }
    for index in [1, 4] { try context.require(index, [.float]) }
    try context.requireSameElementType([0, 2])
    try context.requireSameElementType([3, 5])
    for index in [1, 2] { try context.requireOneElement(index) }
    var elementType = ElementType.float
    if context.hasInput(6) {
      try context.require(6, [.float])
      try context.require(7, .bytes)
      for index in [6, 7] { try context.requireOneElement(index) }
      elementType = try context.elementType(7)
    }
    context.setOutput(0, elementType, nil)
    let left = try context.shape(0)
    var right = try context.shape(3)
    if isTransposed {
      guard right.count == 2 else { throw GraftError.badData("only a matrix is transposed") }
      right.swapAt(0, 1)
    }
    let shape = try InferenceContext.productShape(left, right)
    context.setOutput(0, elementType, shape)
    guard let columns = right.last, right.count > 1 else {
      throw GraftError.badData("input 3 has shape \(right); expected matrices")
    }
    for index in [4, 5] { try context.requireOneOrEach(index, of: columns, "columns") }
    if context.hasInput(8) {
      try context.require(8, [.int32, .float])
      try context.requireShape(8, [columns])
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    var right = try context.input(3).shape
    if isTransposed { right.swapAt(0, 1) }
    var result = IntegerResult.floats(leftScale: 1, rightScale: 4)
    if context.hasInput(6) {
      var requantization = try Requantization(
        leftScale: 1, rightScale: 4, scale: 6, zeroPoint: 7, context)
      requantization.bounds = bounds
      result = .bytes(requantization)
    }
    return try IntegerMatrixProduct(
      MatMul.product(try context.input(0).shape, right),
      .init(
        left: 0, leftZeroPoints: 2, right: 3, rightZeroPoints: 5, isRightTransposed: isTransposed,
        bias: 8), result, context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    // The sums are -5, 6 and -15, 33.
    let operands: [Tensor?] = [
      .example([2, 1, 4, 6] as [UInt8], [2, 2]), .floats([0.5], []), .example([1] as [UInt8], []),
      .example([-5, 0, 6, 3] as [Int8], [2, 2]), .floats([1, 2], [2]),
      .example([0, 0] as [Int8], [2]),
    ]
    return [
      OperatorExample(
        "floats, with a bias", attributes: ["transB": .int(1)],
        inputs: operands + [nil, nil, .example([10, 0] as [Int32], [2])],
        outputs: [.floats([2.5, 6, -2.5, 33], [2, 2])]),
      OperatorExample(
        "floats, with a bias of floats", attributes: ["transB": .int(1)],
        inputs: operands + [nil, nil, .floats([0.25, -0.5], [2])],
        outputs: [.floats([-2.25, 5.5, -7.25, 32.5], [2, 2])]),
      OperatorExample(
        "bytes, with a bias of floats", attributes: ["transB": .int(1)],
        inputs: operands + [
          .floats([1.5], []), .example([100] as [UInt8], []), .floats([0.6, -0.9], [2]),
        ],
        // -2.5, 6, -7.5 and 33 with the bias are -1.9, 5.1, -6.9 and 32.1.
        outputs: [.example([99, 103, 95, 121] as [UInt8], [2, 2])]),
      OperatorExample(
        "bounds",
        attributes: ["transB": .int(1), "bounds": .ints([100, 110])],
        inputs: operands + [.floats([1.5], []), .example([100] as [UInt8], [])],
        // -5, 6, -15 and 33 times 1/3 or 2/3
        outputs: [.example([100, 104, 100, 110] as [UInt8], [2, 2])]),
    ]
  }
}
