import GraftExecution
import GraftFiles
import GraftGraph

/// Largest element over all spatial axes; NaN if there is one.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html>
package struct GlobalMaxPool: RealOperator {
  package static let schema = OperatorSchema(
    "GlobalMaxPool", since: [1, 22], sameSince: 1, inputs: 1...1)
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws { try GlobalPooling.infer(&context) }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try GlobalPooling.kernel(context, Element.self) { plane, count in
      var largest = -Element.infinity
      for i in 0..<count where plane[i] > largest || plane[i].isNaN { largest = plane[i] }
      return largest
    }
  }

  /// The gradient is divided equally among the largest elements.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let x = try builder.input(0)
    let gradient = try builder.outputGradient()
    let isLargest = builder.add(
      "CastLike", [builder.add("Equal", [x, try builder.output(0)]), gradient])
    let count = builder.add(
      "ReduceSum", [isLargest, try builder.spatialAxes()],
      attributes: ["noop_with_empty_axes": .int(1)])
    let share = builder.add("Div", [gradient, count])
    builder.setInputGradient(0, builder.add("Mul", [isLargest, share]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2-D",
        inputs: [
          .floats(
            [2.5, -2, 2, -1.5, 0, 3.5, -4, -1, 3, -0.5, 1, -2.5, 0.5, -3, 1.5, -3.5], [2, 2, 2, 2])
        ],
        outputs: [.floats([2.5, 3.5, 3, 1.5], [2, 2, 1, 1])],
        differentiableInputs: [0]),
      OperatorExample(
        "1-D",
        inputs: [.floats([2, -2, 1, -1.5, 0, 1.5, 0.5, -2.5, -0.5, -1], [1, 2, 5])],
        outputs: [.floats([2, 1.5], [1, 2, 1])],
        differentiableInputs: [0]),
    ]
  }
}
