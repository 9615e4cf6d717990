import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Divides by the root of the mean square over the axes from `axis` on, then scales by element.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>
package struct RMSNormalization: RealOperator {
  package static let schema = OperatorSchema("RMSNormalization", since: [23], inputs: 2...2)
  package static let widening = Widening.rounds
  package static let weightInputs = [1]

  let axis: Int
  let epsilon: Double

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
  }

  /// The output's element type is that of the scale.
  package func infer(_ context: inout InferenceContext) throws {
    for index in 0...1 { try context.require(index, .floatingPoint) }
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    context.setOutput(0, elementType, shape)
    _ = try normalizedAxis(axis, rank: shape.count)
    try context.requireBroadcastsToInput(1)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let axis = try normalizedAxis(axis, rank: shape.count)
    let rows = RowNormalization(
      rowCount: shape[..<axis].reduce(1, *), rowLength: shape[axis...].reduce(1, *),
      epsilon: epsilon, isCentered: false)
    return try rows.broadcastKernel(context, shape, axis: axis, Element.self)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setRowNormalizationGradients(axis: axis, epsilon: epsilon, isCentered: false)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis",
        inputs: [
          .floats([0.11, 0.22, -0.25, -0.2, 0.05, 1.51], [2, 3]), .floats([1, 2, -1], [3]),
        ],
        outputs: [
          .floats(
            [0.54318506, 2.1727402, 1.2345115, -0.22730063, 0.113650315, -1.7161196], [2, 3])
        ],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "two axes, epsilon",
        attributes: ["axis": .int(1), "epsilon": .float(0.1)],
        inputs: [
          .floats([0.56, -0.06, -0.58, -0.63, 1.6, 0.51, 0.07, -0.35], [2, 2, 2]),
          .floats([1, 2, -1, 0.5], [2, 2]),
        ],
        outputs: [
          .floats(
            [
              0.92994905, -0.1992748, 0.96316147, -0.5230963, 1.7489995, 1.1149871, -0.07651872,
              -0.1912968,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1]),
    ]
  }
}
