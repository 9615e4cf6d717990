import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// The gradient of Clip: dx = 0 where y <= min or y >= max, else dy, like PyTorch's ReLU6.
///
/// Inputs: dy, y, min, max (scalars, optional). Output: dx.
package struct ClipGradient: Operator {
  package static let schema = OperatorSchema(
    "ClipGradient", domain: "graft", since: [1], inputs: 2...4)
  package static let operandCount = 2

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.inferActivationGradient()
    for index in 2...3 where context.hasInput(index) { try context.requireOneElement(index) }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float:
      let select = context.instructionSet.kernels.pointee.binary.pointee.clip_gradient
      return try kernel(context) { gradient, y, low, high, result, count in
        select?(gradient, y, low, high, result, Int64(count))
      }
    case .double:
      return try kernel(context) {
        (gradient: UnsafePointer<Double>, y, low, high, result, count) in
        for index in 0..<count {
          result[index] = y[index] <= low || y[index] >= high ? 0 : gradient[index]
        }
      }
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: BinaryFloatingPoint & Sendable>(
    _ context: PrepareContext,
    _ select:
      @escaping @Sendable (
        UnsafePointer<Element>, UnsafePointer<Element>, Element, Element,
        UnsafeMutablePointer<Element>, Int
      ) -> Void
  ) throws -> PreparedKernel {
    // NaN as a bound clips nothing.
    let (hasMinimum, hasMaximum) = (context.hasInput(2), context.hasInput(3))
    return PreparedKernel.parallel(
      count: try context.input(1).elementCount, grain: 32768, inPlaceInputs: [0, 1]
    ) { arguments, range in
      select(
        arguments.input(0, as: Element.self) + range.lowerBound,
        arguments.input(1, as: Element.self) + range.lowerBound,
        hasMinimum ? arguments.input(2, as: Element.self).pointee : .nan,
        hasMaximum ? arguments.input(3, as: Element.self).pointee : .nan,
        arguments.output(0, as: Element.self) + range.lowerBound, range.count)
    }
  }

  /// Linear in dy; y only selects.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let inputs = [try builder.outputGradient()] + builder.node.inputs.dropFirst()
    builder.setInputGradient(0, builder.add("ClipGradient", domain: "graft", inputs))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both bounds",
        inputs: [
          .floats([1, 2, 3, 4], [2, 2]), .floats([0, 0.5, 6, .nan], [2, 2]), .floats([0], []),
          .floats([6], []),
        ],
        outputs: [.floats([0, 2, 0, 4], [2, 2])]),
      OperatorExample(
        "no lower bound",
        inputs: [
          .floats([1, 2, 3], [3]), .floats([-7, 6, -.infinity], [3]), nil, .floats([6], []),
        ],
        outputs: [.floats([1, 0, 3], [3])]),
    ]
  }
}
