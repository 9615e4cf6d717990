import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``DFT``: its transpose, as a linear map of real and imaginary parts.
///
/// Inputs: dy, the input of DFT (whose shape is used), and its `dft_length` and `axis`. The
/// attributes are those of DFT.
struct DFTGradient: Operator {
  static let schema = OperatorSchema(
    "DFTGradient", domain: "graft", since: [1], inputs: 2...4)

  private let attributes: FourierAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try FourierAttributes(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    context.setOutput(0, try context.elementType(1), nil)
    if let shape = try FourierGeometry.outputShape(attributes, input: 1, &context) {
      try context.requireShape(0, shape)
    }
    context.setOutput(0, try context.elementType(1), try context.shape(1))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let geometry = try FourierGeometry(
      attributes, shape: context.input(1).shape, length: context.integers(2)?.first,
      axis: context.integers(3)?.first)
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    var operation = FourierOperation(
      form: .general(
        isInputComplex: geometry.isOutputComplex, isOutputComplex: geometry.isComplex),
      length: geometry.length, isInverse: !attributes.isInverse,
      scale: attributes.isInverse ? 1 / Double(geometry.length) : 1,
      inputCount: geometry.outputCount, outputCount: geometry.inputCount)
    if attributes.isInverse, attributes.isOneSided {
      operation.form = .fromReal
      operation.doublesMirrored = true
    }
    return try geometry.kernel(Element.self, operation, isAdjoint: true, context)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one-sided, of real points", attributes: ["onesided": .int(1)],
        inputs: [
          .floats([1, 2, -1, 0.5, 3, 0], [1, 3, 2]), .floats([0, 0, 0, 0], [1, 4, 1]),
        ],
        outputs: [.floats([3, -2.5, 5, -1.5], [1, 4, 1])]),
      OperatorExample(
        "inverse", attributes: ["inverse": .int(1)],
        inputs: [.floats([1, 2, 3, -1], [1, 2, 2]), .floats([0, 0, 0, 0], [1, 2, 2])],
        outputs: [.floats([2, 0.5, -1, 1.5], [1, 2, 2])]),
    ]
  }
}
