import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// How to combine integers; wraps on overflow.
protocol IntegerOperation: Sendable {
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) throws -> Element
}

/// How to combine numbers.
protocol ArithmeticOperation: IntegerOperation {
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element
  /// The loops over floats in C, if any.
  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows?
}

extension ArithmeticOperation {
  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { nil }
}

/// An operator that combines numbers of one type to a number of that type.
protocol ArithmeticOperator: BinaryOperator, ArithmeticOperation {
  static var elementTypes: Set<ElementType> { get }
}

extension ArithmeticOperator {
  static var elementTypes: Set<ElementType> { .realNumbers }

  package func infer(_ context: inout InferenceContext) throws {
    let indices = Array(0..<context.inputCount)
    try context.require(0, Self.elementTypes)
    try context.requireSameElementType(indices)
    try context.setBroadcastOutput(try context.elementType(0), inputs: indices)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.arithmeticKernel(Self.self)
  }
}

// The functions that the rows point to are stateless.
extension graft_binary_f32_rows: @unchecked @retroactive Sendable {}

extension BinaryRows<Float, Float, Float> {
  init(_ functions: graft_binary_f32_rows) {
    self.init(
      vectorVector: { functions.vector_vector($0, $1, $2, Int64($3)) },
      vectorScalar: { functions.vector_scalar($0, $1, $2, Int64($3)) },
      scalarVector: { functions.scalar_vector($0, $1, $2, Int64($3)) })
  }
}

enum FloatingPointElements<
  Operation: ArithmeticOperation, Element: BinaryFloatingPoint
>: ElementOperation {
  @inline(__always)
  static func apply(_ left: Element, _ right: Element) -> Element { Operation.apply(left, right) }
}

enum IntegerElements<Operation: IntegerOperation, Element: FixedWidthInteger>: ElementOperation {
  @inline(__always)
  static func apply(_ left: Element, _ right: Element) throws -> Element {
    try Operation.apply(left, right)
  }
}

extension PrepareContext {
  /// A kernel that combines all inputs from left to right, for any numeric element type.
  func arithmeticKernel<Operation: ArithmeticOperation>(
    _ operation: Operation.Type
  ) throws -> PreparedKernel {
    switch try output(0).elementType {
    case .float:
      let table = instructionSet.kernels.pointee.binary.pointee
      if let functions = Operation.floatLoops(in: table) {
        return try foldKernel(BinaryRows(functions))
      }
      return try foldKernel(BinaryRows(FloatingPointElements<Operation, Float>.self))
    case .double:
      return try foldKernel(BinaryRows(FloatingPointElements<Operation, Double>.self))
    case .float16, .bfloat16:
      return try converting(.halfPrecision, to: .float) { try $0.arithmeticKernel(operation) }
    default:
      return try integerKernel(operation)
    }
  }

  /// A kernel that combines all inputs from left to right, for any integer type.
  func integerKernel<Operation: IntegerOperation>(
    _ operation: Operation.Type
  ) throws -> PreparedKernel {
    func fold<Element: FixedWidthInteger>(_: Element.Type) throws -> PreparedKernel {
      try foldKernel(BinaryRows(IntegerElements<Operation, Element>.self))
    }
    let type = try output(0).elementType
    switch type {
    case .int8: return try fold(Int8.self)
    case .int16: return try fold(Int16.self)
    case .int32: return try fold(Int32.self)
    case .int64: return try fold(Int64.self)
    case .uint8: return try fold(UInt8.self)
    case .uint16: return try fold(UInt16.self)
    case .uint32: return try fold(UInt32.self)
    case .uint64: return try fold(UInt64.self)
    default: throw GraftError.unsupported("no kernel for element type \(type)")
    }
  }
}
