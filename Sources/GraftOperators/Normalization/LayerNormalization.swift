import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Normalizes over the axes from `axis` on, then scales and shifts by element.
///
/// Mean and inverse deviation are computed in float, or in double where a tensor is double;
/// `stash_type` only sets the type in which they are returned.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
package struct LayerNormalization: RealOperator {
  package static let schema = OperatorSchema(
    "LayerNormalization", since: [17], inputs: 2...3, outputs: 1...3)
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]

  let axis: Int
  let epsilon: Double
  let statisticsType: ElementType

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
    statisticsType = try attributes.elementType("stash_type") ?? .float
    guard statisticsType == .float || statisticsType == .bfloat16 else {
      throw GraftError.badData(
        "attribute 'stash_type' is \(statisticsType); expected float or bfloat16")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.setOutputLikeInput()
    for index in 1...2 { context.setOutput(index, statisticsType, nil) }
    let shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    for index in 1...2 {
      try context.requireBroadcastsToInput(index)
      context.setOutput(
        index, statisticsType,
        shape[..<axis] + [Dimension](repeating: 1, count: shape.count - axis))
    }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let axis = try normalizedAxis(axis, rank: shape.count)
    let rows = RowNormalization(
      rowCount: shape[..<axis].reduce(1, *), rowLength: shape[axis...].reduce(1, *),
      epsilon: epsilon, isCentered: true)
    return try rows.broadcastKernel(context, shape, axis: axis, Element.self)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.outputGradients.dropFirst().allSatisfy({ $0 == nil }) else {
      throw GraftError.unsupported("the mean and deviation of LayerNormalization have no gradient")
    }
    try builder.setRowNormalizationGradients(axis: axis, epsilon: epsilon, isCentered: true)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis, all outputs",
        inputs: [
          .floats([1.09, -1.27, -0.14, -0.01, -1.32, 1.72], [2, 3]), .floats([1, 2, -1], [3]),
          .floats([0, 0.5, 1], [3]),
        ],
        outputs: [
          .floats(
            [1.2416654, -1.9141572, 1.0345868, -0.112447925, -1.8292785, -0.2770872], [2, 3]),
          .floats([-0.10666669, 0.13], [2, 1]), .floats([1.0376034, 0.80319947], [2, 1]),
        ]),
      OperatorExample(
        "two axes",
        attributes: ["axis": .int(1), "epsilon": .float(0.01)],
        inputs: [
          .floats([1.46, -0.46, 0.77, 0.38, -2.61, 0.25, -0.06, 0.08], [2, 2, 2]),
          .floats([1, 2, -1, 0.5], [2, 2]), .floats([0, 0.5, 1, 1], [2, 2]),
        ],
        outputs: [
          .floats(
            [
              1.3162214, -2.3464622, 0.6682694, 0.88763964, -1.7182472, 1.9170237, 0.5545285,
              1.2821319,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "no bias",
        attributes: ["axis": .int(-1)],
        inputs: [
          .floats([-1.08, -0.27, -0.18, 1.19, 0.33, -0.01], [2, 3]), .floats([1, 2, -1], [3]),
        ],
        outputs: [
          .floats([-1.4083308, 1.1859626, -0.8153493, 1.3597167, -0.68645877, 1.0164871], [2, 3])
        ],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "a scale that broadcasts",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats([1.53, -0.56, -0.39, -1.82, 1.57, 0.96, 0.92, 0.67], [2, 2, 2]),
          .floats([1.5, -1], [2, 1, 1]), .floats([0.25], [1]),
        ],
        outputs: [
          .floats(
            [
              2.55508, -0.06319022, 0.14977914, -1.6416688, -1.3814275, 0.46148127, 0.5823276,
              1.337618,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}
