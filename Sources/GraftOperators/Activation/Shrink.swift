import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// y = x + bias for x < -lambd, x - bias for x > lambd, else 0.
///
/// Integers are computed in double and truncated.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Shrink.html>
struct Shrink: ElementwiseUnary {
  static let schema = OperatorSchema("Shrink", since: [9], sameSince: 9, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .realNumbers.subtracting([.bfloat16])

  private let lambd: Float
  private let bias: Float

  init(_ attributes: AttributeReader) throws {
    lambd = try attributes.float("lambd", default: 0.5)
    bias = try attributes.float("bias", default: 0)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.shrink }, lambd, bias) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let lambd = Double(lambd)
    let bias = Double(bias)
    @Sendable func shrink(_ x: Double) -> Double {
      x < -lambd ? x + bias : x > lambd ? x - bias : 0
    }
    return try context.unaryKernel(
      floatFunction, double: shrink,
      int64: { Int64(clamping: shrink(Double($0))) },
      uint64: { UInt64(clamping: shrink(Double($0))) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let lambd = GradientFormula.number(Double(lambd))
    try builder.setGradient(.select(.x > lambd, .dy, .select(.x < -lambd, .dy, 0)))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "soft", attributes: ["lambd": .float(1.5), "bias": .float(1.5)],
        inputs: [.floats([-2, -1, 0, 1, 2, 3], [6])],
        outputs: [.floats([-0.5, 0, 0, 0, 0.5, 1.5], [6])]),
      OperatorExample(
        "hard, of integers", attributes: ["lambd": .float(1.5)],
        inputs: [.integers([-2, -1, 0, 1, 2, 3], [6])],
        outputs: [.integers([-2, 0, 0, 0, 2, 3], [6])]),
      OperatorExample(
        "default",
        inputs: [.floats([-2, -0.25, 0.25, 1], [4])],
        outputs: [.floats([-2, 0, 0, 1], [4])], differentiableInputs: [0]),
    ]
  }
}

extension FixedWidthInteger {
  /// Truncates; out-of-range values become the nearest bound, NaN becomes 0.
  fileprivate init(clamping value: Double) {
    if value.isNaN {
      self = 0
    } else if value <= Double(Self.min) {
      self = .min
    } else if value >= Double(Self.max) {
      self = .max
    } else {
      self = Self(value)
    }
  }
}
