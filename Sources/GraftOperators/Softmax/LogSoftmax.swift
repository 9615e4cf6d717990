import GraftExecution
import GraftFiles
import GraftGraph

/// x - log Σ exp(x) along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>
package struct LogSoftmax: RealOperator {
  package static let schema = OperatorSchema("LogSoftmax", since: [1, 11, 13], inputs: 1...1)

  let axis: Int

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

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try SoftmaxKernel.prepare(context, axis: axis, isLogarithm: true, Element.self)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      try builder.logSoftmaxGradient(
        try builder.outputGradient(), output: try builder.output(0), axis: axis))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis",
        inputs: [.floats([-0.19, 0.22, 1, -1.73, -0.78, 0.18], [2, 3])],
        outputs: [
          .floats(
            [-1.7568054, -1.3468053, -0.5668054, -2.3359036, -1.3859036, -0.42590368], [2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats(
            [0.39, -0.38, 1.03, 0.21, -1.21, -0.93, 0.81, 0.46, -1.9, 1.35, 0.6, 1.34], [2, 3, 2])
        ],
        outputs: [
          .floats(
            [
              -1.1308786, -1.2181532, -0.4908786, -0.6281532, -2.7308786, -1.7681532, -0.6297392,
              -1.7657627, -3.3397393, -0.8757627, -0.8397392, -0.8857627,
            ], [2, 3, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "large numbers",
        inputs: [.floats([1000, 1001, 999, -10000, 0, -10000], [2, 3])],
        outputs: [.floats([-1.4076059, -0.40760595, -2.407606, -10000, 0, -10000], [2, 3])]),
    ]
  }
}

extension GradientBuilder {
  /// dy - exp(y) Σ dy
  mutating func logSoftmaxGradient(
    _ gradient: ValueID, output: ValueID, axis: Int
  ) throws -> ValueID {
    let sum = add("ReduceSum", [gradient, try addAxes([axis])])
    return add("Sub", [gradient, add("Mul", [add("Exp", [output]), sum])])
  }
}
