import GraftExecution
import GraftFiles
import GraftGraph

/// exp(x) / Σ exp(x) along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Softmax.html>
package struct Softmax: RealOperator {
  package static let schema = OperatorSchema("Softmax", since: [1, 11, 13], inputs: 1...1)

  package let axis: Int

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 13 { try node.coerceToMatrix(in: &context) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.coerceToLastAxis(in: &context)
  }

  package func infer(_ context: inout InferenceContext) throws { try context.inferAlongAxis(axis) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    if Set.halfPrecision.contains(try context.input(0).elementType) {
      return try HalfPrecisionSoftmax.prepare(context, axis: axis)
    }
    return try prepareReal(context)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try SoftmaxKernel.prepare(context, axis: axis, isLogarithm: false, Element.self)
  }

  /// dx = y (dy - Σ dy y)
  package func gradient(_ builder: inout GradientBuilder) throws {
    let y = try builder.output(0)
    let gradient = try builder.outputGradient()
    let axes = try builder.addAxes([axis])
    let sum = builder.add("ReduceSum", [builder.add("Mul", [gradient, y]), axes])
    builder.setInputGradient(0, builder.add("Mul", [y, builder.add("Sub", [gradient, sum])]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis",
        inputs: [.floats([-0.78, -1.17, -0.06, -0.18, -1.15, 0.12], [2, 3])],
        outputs: [
          .floats([0.26798946, 0.18144411, 0.55056643, 0.36644238, 0.13891211, 0.4946455], [2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats(
            [-1.15, 1.11, 1.06, 1.08, -0.47, 0.51, -0.13, -0.39, -0.34, -1.3, -1.44, 0.79],
            [2, 3, 2])
        ],
        outputs: [
          .floats(
            [
              0.08271576, 0.39694238, 0.7540134, 0.38521096, 0.1632708, 0.21784659, 0.48067582,
              0.2147352, 0.38962823, 0.08643613, 0.12969597, 0.6988287,
            ], [2, 3, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "large numbers",
        inputs: [.floats([1000, 1001, 999, -10000, 0, -10000], [2, 3])],
        outputs: [.floats([0.24472846, 0.66524094, 0.09003057, 0, 1, 0], [2, 3])]),
    ]
  }
}
