import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// a to the power b with broadcasting, in the type of a; b may have another type.
///
/// An integer to the power of an integer wraps. With a negative exponent it is rounded toward zero,
/// and is an error for the base 0. An integer to a floating-point power is computed in double and
/// truncated.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Pow.html>
package struct Pow: BinaryOperator {
  package static let schema = OperatorSchema(
    "Pow", since: [1, 7, 12, 13, 15], sameSince: 12, inputs: 2...2)

  /// Before opset 12 both have the same type.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    guard let base = context.type(node.inputs[0])?.elementType,
      context.type(node.inputs[1])?.elementType == base || context.isFromFile(before: 12)
    else { throw GraftError.unsupported("base and exponent have different types") }
    if opset < 7 { try node.downgradeBroadcast(isCommutative: false, in: &context) }
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint.union([.int32, .int64]))
    try context.require(1, .realNumbers)
    try context.setBroadcastOutput(try context.elementType(0), inputs: [0, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let base = try context.input(0).elementType
    let exponent = try context.input(1).elementType
    switch (base, exponent) {
    case (.float, .float):
      return try context.binaryKernel(Self.powers(Float.self) { pow($0, $1) }, grain: 2048)
    case (.double, .double):
      return try context.binaryKernel(Self.powers(Double.self) { pow($0, $1) }, grain: 2048)
    case (.int32, .int64):
      return try context.binaryKernel(BinaryRows(IntegerPower<Int32, Int64>.self))
    case (.int32, .uint64):
      return try context.binaryKernel(BinaryRows(IntegerPower<Int32, UInt64>.self))
    case (.int64, .int64):
      return try context.binaryKernel(BinaryRows(IntegerPower<Int64, Int64>.self))
    case (.int64, .uint64):
      return try context.binaryKernel(BinaryRows(IntegerPower<Int64, UInt64>.self))
    case (.float, _), (.double, _):
      return try context.converting([exponent], to: base) { try prepare($0) }
    case (.float16, _), (.bfloat16, _):
      return try context.converting([base, exponent], to: .float) { try prepare($0) }
    default:
      if exponent.isFloatingPoint {
        return try context.converting([base, exponent], to: .double) { try prepare($0) }
      }
      return try convertingExponent(context, exponent)
    }
  }

  /// Converts only the exponent: base and result may have its type.
  private func convertingExponent(
    _ context: PrepareContext, _ exponent: ElementType
  ) throws -> PreparedKernel {
    let base = try context.input(0).elementType
    func widen<Exponent: FixedWidthInteger & Sendable>(_: Exponent.Type) throws -> PreparedKernel {
      base == .int32
        ? try context.binaryKernel(BinaryRows(IntegerPower<Int32, Exponent>.self))
        : try context.binaryKernel(BinaryRows(IntegerPower<Int64, Exponent>.self))
    }
    switch exponent {
    case .int8: return try widen(Int8.self)
    case .int16: return try widen(Int16.self)
    case .int32: return try widen(Int32.self)
    case .uint8: return try widen(UInt8.self)
    case .uint16: return try widen(UInt16.self)
    case .uint32: return try widen(UInt32.self)
    default: throw GraftError.unsupported("no kernel for element types \(base) and \(exponent)")
    }
  }

  /// da = dy · b · a^(b - 1), and 0 where b is 0; db = dy · y · log a, and 0 where a is not
  /// positive
  package func gradient(_ builder: inout GradientBuilder) throws {
    let base = try builder.input(0)
    let gradient = try builder.outputGradient()
    let zero = try builder.addScalar(0, like: base)
    if builder.needs(0) {
      let exponent = builder.add("CastLike", [try builder.input(1), base])
      let one = try builder.addScalar(1, like: base)
      let power = builder.add("Pow", [base, builder.add("Sub", [exponent, one])])
      let slope = builder.add("Mul", [exponent, power])
      let isConstant = builder.add("Equal", [exponent, zero])
      let derivative = builder.add("Where", [isConstant, zero, slope])
      try builder.setBroadcastInputGradient(0, builder.add("Mul", [gradient, derivative]))
    }
    if builder.needs(1) {
      let isPositive = builder.add("Greater", [base, zero])
      let one = try builder.addScalar(1, like: base)
      let logarithm = builder.add("Log", [builder.add("Where", [isPositive, base, one])])
      let derivative = builder.add("Mul", [try builder.output(0), logarithm])
      let product = builder.add("Mul", [gradient, derivative])
      try builder.setBroadcastInputGradient(
        1, builder.add("CastLike", [product, try builder.input(1)]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "elementwise", inputs: [.floats([1, 2, 3], [3]), .floats([4, 5, 6], [3])],
        outputs: [.floats([1, 32, 729], [3])]),
      OperatorExample(
        "broadcast", inputs: [.floats([0.5, 2], [2, 1]), .floats([2, -1, 0.5], [3])],
        outputs: [.floats([0.25, 2, 0.70710678, 4, 0.5, 1.41421356], [2, 3])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "square", inputs: [.floats([-3, 0.5, 4], [3]), .floats([2], [])],
        outputs: [.floats([9, 0.25, 16], [3])], differentiableInputs: [0]),
      OperatorExample(
        "square root",
        inputs: [.floats([4, -0.0, -.infinity, -1, .infinity], [5]), .floats([0.5], [])],
        outputs: [.floats([2, 0, .infinity, .nan, .infinity], [5])]),
      OperatorExample(
        "integer exponents", inputs: [.floats([1, -2, 3], [3]), .integers([4, 5, -1], [3])],
        outputs: [.floats([1, -32, 0.33333333], [3])]),
      OperatorExample(
        "integer bases", inputs: [.integers([1, 2, 3], [3]), .floats([4, 5.5, -1], [3])],
        outputs: [.integers([1, 45, 0], [3])]),
      OperatorExample(
        "integers", inputs: [.integers([2, -1, 3, 2], [4]), .integers([62, -3, -2, 0], [4])],
        outputs: [.integers([4611686018427387904, -1, 0, 1], [4])]),
    ]
  }
}

extension Pow {
  /// Powers; single exponents that need no logarithm are recognized.
  private static func powers<Element: BinaryFloatingPoint & Sendable>(
    _: Element.Type, _ power: @escaping @Sendable (Element, Element) -> Element
  ) -> BinaryRows<Element, Element, Element> {
    BinaryRows(
      vectorVector: { bases, exponents, results, count in
        for index in 0..<count { results[index] = power(bases[index], exponents[index]) }
      },
      vectorScalar: { bases, exponent, results, count in
        switch exponent.pointee {
        case 2: for index in 0..<count { results[index] = bases[index] * bases[index] }
        case 3:
          for index in 0..<count {
            let base = bases[index]
            results[index] = base * base * base
          }
        case 0.5:
          // Unlike the square root, the power 0.5 of -0 is 0, and that of -infinity is infinity.
          for index in 0..<count {
            let base = bases[index]
            results[index] = base == -.infinity ? .infinity : (base + 0).squareRoot()
          }
        case -1: for index in 0..<count { results[index] = 1 / bases[index] }
        case let exponent:
          for index in 0..<count { results[index] = power(bases[index], exponent) }
        }
      },
      scalarVector: { base, exponents, results, count in
        let base = base.pointee
        for index in 0..<count { results[index] = power(base, exponents[index]) }
      })
  }
}

private enum IntegerPower<Base: FixedWidthInteger, Exponent: FixedWidthInteger>: ElementOperation {
  @inline(__always)
  static func apply(_ base: Base, _ exponent: Exponent) throws -> Base {
    if exponent < 0 {
      guard base != 0 else { throw GraftError.badData("raises 0 to the power \(exponent)") }
      if base == 1 { return 1 }
      return base == ~0 ? (exponent & 1 == 0 ? 1 : ~0) : 0
    }
    var result: Base = 1
    var square = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = result &* square }
      square = square &* square
      rest >>= 1
    }
    return result
  }
}
