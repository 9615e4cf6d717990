import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator that compares numbers of one type. Comparisons with NaN are false.
protocol ComparisonOperator: BinaryOperator {
  static func holds<Element: Comparable>(_ left: Element, _ right: Element) -> Bool
  /// The loops over floats.
  static func floatLoops(in table: graft_binary_table) -> graft_compare_f32_rows
}

extension ComparisonOperator {
  package static var widening: Widening { .isExact }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(.bool, inputs: [0, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.comparisonKernel(Self.self)
  }

  /// Piecewise constant: there is no gradient.
  package func gradient(_ builder: inout GradientBuilder) throws {}
}

// The functions that the rows point to are stateless.
extension graft_compare_f32_rows: @unchecked @retroactive Sendable {}

extension BinaryRows<Float, Float, UInt8> {
  init(_ functions: graft_compare_f32_rows) {
    self.init(
      vectorVector: { functions.vector_vector($0, $1, $2, Int64($3)) },
      vectorScalar: { functions.vector_scalar($0, $1, $2, Int64($3)) },
      scalarVector: { functions.scalar_vector($0, $1, $2, Int64($3)) })
  }
}

private enum ComparedElements<
  Operation: ComparisonOperator, Element: Comparable
>: ElementOperation {
  @inline(__always)
  static func apply(_ left: Element, _ right: Element) -> UInt8 {
    Operation.holds(left, right) ? 1 : 0
  }
}

extension PrepareContext {
  func comparisonKernel<Operation: ComparisonOperator>(
    _ operation: Operation.Type
  ) throws -> PreparedKernel {
    func compare<Element: Comparable>(_: Element.Type) throws -> PreparedKernel {
      try binaryKernel(BinaryRows(ComparedElements<Operation, Element>.self))
    }
    let type = try input(0).elementType
    switch type {
    case .float:
      let table = instructionSet.kernels.pointee.binary.pointee
      return try binaryKernel(BinaryRows(Operation.floatLoops(in: table)))
    case .double: return try compare(Double.self)
    case .int8: return try compare(Int8.self)
    case .int16: return try compare(Int16.self)
    case .int32: return try compare(Int32.self)
    case .int64: return try compare(Int64.self)
    case .uint8: return try compare(UInt8.self)
    case .uint16: return try compare(UInt16.self)
    case .uint32: return try compare(UInt32.self)
    case .uint64: return try compare(UInt64.self)
    case .float16, .bfloat16:
      return try converting(.halfPrecision, to: .float) { try $0.comparisonKernel(operation) }
    default: throw GraftError.unsupported("no kernel for element type \(type)")
    }
  }
}
