/// Normalizes over the axes from `axis` on, then scales and shifts by element.
///
/// Mean and inverse deviation are computed in float, or in double where a tensor is double;
/// `stash_type` only says in which type they are handed out.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
struct LayerNormalization: RealOperator {
  static let schema = OperatorSchema(
    "LayerNormalization", since: [17], inputs: 2...3, outputs: 1...3)

  let axis: Int
  let epsilon: Double
  let statisticsType: ElementType

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
    statisticsType = try attributes.elementType("stash_type") ?? .float
    guard statisticsType == .float || statisticsType == .bfloat16 else {
      throw GraftError.badData(
        "attribute 'stash_type' is \(statisticsType); expected float or bfloat16")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
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

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.outputGradients.dropFirst().allSatisfy({ $0 == nil }) else {
      throw GraftError.unsupported("the mean and deviation of LayerNormalization have no gradient")
    }
    try builder.setRowNormalizationGradients(axis: axis, epsilon: epsilon, isCentered: true)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis, all outputs",
        inputs: [
          .floats([0.04, 0.81, 0.55, 0.22, -1.04, 0.51], [2, 3]), .floats([1, 2, -1], [3]),
          .floats([0, 0.5, 1], [3]),
        ],
        outputs: [
          .floats([-1.3339921, 2.6468935, 0.7394546, 0.480558, -2.2842636, 0.08842605], [2, 3]),
          .floats([0.46666667, -0.103333354], [2, 1]), .floats([3.126544, 1.4862618], [2, 1]),
        ]),
      OperatorExample(
        "two axes",
        attributes: ["axis": .int(1), "epsilon": .float(0.01)],
        inputs: [
          .floats([-0.68, 1.09, -1.27, -0.14, -0.01, -1.32, 1.72, 1.46], [2, 2, 2]),
          .floats([1, 2, -1, 0.5], [2, 2]), .floats([0, 0.5, 1, 1], [2, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.4905883, 3.55762, 2.163721, 1.0627496, -0.38525325, -2.4067256, -0.025303721,
              1.4066563,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "no bias",
        attributes: ["axis": .int(-1)],
        inputs: [
          .floats([-0.46, 0.77, 0.38, -2.61, 0.25, -0.06], [2, 3]), .floats([1, 2, -1], [3]),
        ],
        outputs: [
          .floats([-1.3444138, 2.1042995, -0.29226387, -1.4072951, 1.6492146, -0.5826878], [2, 3])
        ],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "a scale that broadcasts",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats([0.08, -1.08, -0.27, -0.18, 1.19, 0.33, -0.01, 1.53], [2, 2, 2]),
          .floats([1.5, -1], [2, 1, 1]), .floats([0.25], [1]),
        ],
        outputs: [
          .floats(
            [
              1.7803013, -2.231336, 0.5698935, 0.8811412, -0.4395154, 0.9395153, 1.4847134,
              -0.98471344,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}
