import CGraftKernels
import GraftExecution
import GraftGraph

/// Mean over all spatial axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html>
package struct GlobalAveragePool: RealOperator {
  package static let schema = OperatorSchema(
    "GlobalAveragePool", since: [1, 22], sameSince: 1, inputs: 1...1)
  package static let widening = Widening.rounds

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws { try GlobalPooling.infer(&context) }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    guard Element.self == Float.self else {
      return try GlobalPooling.kernel(context, Element.self) { plane, count in
        var sum: Element = 0
        for i in 0..<count { sum += plane[i] }
        return sum / Element(count)
      }
    }
    let shape = try context.input(0).shape
    let count = shape[2...].reduce(1, *)
    let instructionSet = context.instructionSet
    return PreparedKernel.parallel(
      count: shape[0] * shape[1], grain: max(1, 32768 / max(1, count))
    ) { arguments, planes in
      instructionSet.kernels.pointee.pool.pointee.global_average_pool(
        arguments.input(0, as: Float.self) + planes.lowerBound * count,
        arguments.output(0, as: Float.self) + planes.lowerBound, Int64(planes.count), Int64(count))
    }
  }

  /// dx = dy / (elements of a plane), repeated over the plane
  package func gradient(_ builder: inout GradientBuilder) throws {
    let x = try builder.input(0)
    let gradient = try builder.outputGradient()
    let count = builder.add(
      "Div", [builder.add("Size", [x]), builder.add("Size", [gradient])])
    let share = builder.add("Div", [gradient, builder.add("CastLike", [count, gradient])])
    builder.setInputGradient(
      0, builder.add("Expand", [share, builder.add("Shape", [x])]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2-D",
        inputs: [
          .floats(
            [
              -0.07, -0.27, -0.16, -0.98, 1.1, -0.54, -0.05, -0.79, -0.63, -1.28, 1.26, -0.15, 0.97,
              0.01, -0.69, -0.33, -0.56, 0.01, -0.38, -0.3, -1.38, -0.81, 1.65, -0.67,
            ], [2, 2, 2, 3])
        ],
        outputs: [.floats([-0.15333334, -0.27333334, -0.09833334, -0.31499997], [2, 2, 1, 1])],
        differentiableInputs: [0]),
      OperatorExample(
        "one position", inputs: [.floats([1, 2, 3], [1, 3, 1, 1])],
        outputs: [.floats([1, 2, 3], [1, 3, 1, 1])], differentiableInputs: [0]),
      OperatorExample(
        "1-D",
        inputs: [
          .floats(
            [-1.05, 0.34, 1.41, -1.45, -0.21, -0.63, -1.76, 0.73, -0.02, 0.07, -0.75, 0.45],
            [1, 3, 4])
        ],
        outputs: [.floats([-0.1875, -0.4675, -0.0625], [1, 3, 1])],
        differentiableInputs: [0]),
    ]
  }
}
