import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// The gradient of Relu: dx = dy where y > 0, else 0.
///
/// Inputs: dy, y (or x). Output: dx.
package struct ReluGradient: Operator {
  package static let schema = OperatorSchema(
    "ReluGradient", domain: "graft", since: [1], inputs: 2...2)
  package static let operandCount = 2

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.inferActivationGradient()
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(1).elementCount
    switch try context.input(0).elementType {
    case .float:
      let kernel = context.instructionSet.kernels.pointee.binary.pointee.relu_gradient
      return PreparedKernel.parallel(count: count, grain: 32768, inPlaceInputs: [0, 1]) {
        arguments, range in
        kernel?(
          arguments.input(0, as: Float.self) + range.lowerBound,
          arguments.input(1, as: Float.self) + range.lowerBound,
          arguments.output(0, as: Float.self) + range.lowerBound, Int64(range.count))
      }
    case .double:
      return PreparedKernel.parallel(count: count, grain: 32768, inPlaceInputs: [0, 1]) {
        arguments, range in
        let gradient = arguments.input(0, as: Double.self)
        let y = arguments.input(1, as: Double.self)
        let result = arguments.output(0, as: Double.self)
        for index in range { result[index] = y[index] > 0 ? gradient[index] : 0 }
      }
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  /// Linear in dy; y only selects.
  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      builder.add(
        "ReluGradient", domain: "graft", [try builder.outputGradient(), try builder.input(1)]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "signs", inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([-1, 0, 2, .nan], [2, 2])],
        outputs: [.floats([0, 0, 3, 0], [2, 2])])
    ]
  }
}
