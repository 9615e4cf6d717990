import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The logarithm of the sum of exponentials over axes, without intermediate overflow.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ReduceLogSumExp.html>
struct ReduceLogSumExp: ReduceOperator {
  static let schema = OperatorSchema(
    "ReduceLogSumExp", since: [1, 11, 13, 18, 28], sameSince: 18, inputs: 1...2)

  let form: ReductionForm

  func prepare(_ context: PrepareContext, axes: [Int]) throws -> PreparedKernel {
    let type = try context.input(0).elementType
    switch type {
    case .float:
      return try context.reductionKernel(
        axes: axes, ReductionLoops(ExponentialSum<Float>.self),
        finish: { sum, _ in Float(sum.logarithm) })
    case .double:
      return try context.reductionKernel(
        axes: axes, ReductionLoops(ExponentialSum<Double>.self), finish: { sum, _ in sum.logarithm }
      )
    default:
      return try context.converting([type], to: type.isInteger ? .double : .float) {
        try prepare($0, axes: axes)
      }
    }
  }

  /// dx = dy · exp(x - y)
  func gradient(_ builder: inout GradientBuilder) throws {
    let output = restoringAxes(try builder.output(0), &builder)
    let gradient = restoringAxes(try builder.outputGradient(), &builder)
    let share = builder.add("Exp", [builder.add("Sub", [try builder.input(0), output])])
    builder.setInputGradient(0, builder.add("Mul", [share, gradient]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "dropped axis", attributes: ["keepdims": .int(0)],
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([20, 2.313262, 40, 2.313262, 60.00672, 1.048587], [3, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "outer and inner axis",
        inputs: [
          .floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2]), .integers([0, -1], [2]),
        ],
        outputs: [.floats([55, 60], [1, 2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "all axes", attributes: ["keepdims": .int(0)],
        inputs: [.floats([5, 1, 20, 2, -30, 1, 40, 2, 55, 1, 60, -2], [3, 2, 2])],
        outputs: [.floats([60.00672], [])], differentiableInputs: [0]),
      OperatorExample(
        "empty set", inputs: [.floats([], [2, 0, 2]), .integers([1], [1])],
        outputs: [.floats([-.infinity, -.infinity, -.infinity, -.infinity], [2, 1, 2])]),
      OperatorExample(
        "infinities and large values",
        inputs: [
          .floats([-.infinity, -.infinity, .infinity, 1, 1000, 1000], [3, 2]), .integers([1], [1]),
        ],
        outputs: [.floats([-.infinity, .infinity, 1000.6931], [3, 1])]),
    ]
  }
}

/// A sum of exponentials as exp(`largest`) · `sum`, where `largest` is the largest exponent so far.
private struct ScaledSum: BitwiseCopyable, Sendable {
  var largest = -Double.infinity
  var sum = 0.0

  var logarithm: Double { log(sum) + largest }

  /// Adds exp(`exponent`) · `factor`.
  mutating func add(_ exponent: Double, _ factor: Double) {
    if exponent == largest {
      sum += factor
    } else if exponent < largest {
      sum += exp(exponent - largest) * factor
    } else if exponent > largest {
      sum = sum * exp(largest - exponent) + factor
      largest = exponent
    } else {
      sum = .nan
    }
  }
}

private enum ExponentialSum<Element: BinaryFloatingPoint & Sendable>: Reduction {
  static var identity: ScaledSum { ScaledSum() }

  @inline(__always)
  static func accumulate(_ element: Element, into accumulator: inout ScaledSum) {
    accumulator.add(Double(element), 1)
  }

  @inline(__always)
  static func merge(_ other: ScaledSum, into accumulator: inout ScaledSum) {
    accumulator.add(other.largest, other.sum)
  }
}
