import GraftExecution
import GraftFiles
import GraftGraph

/// Normalizes each channel of each item of a batch, then scales and shifts by channel.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>
package struct InstanceNormalization: RealOperator {
  package static let schema = OperatorSchema(
    "InstanceNormalization", since: [1, 6, 22], sameSince: 1, inputs: 3...3)
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]

  let epsilon: Double

  package init(_ attributes: AttributeReader) throws {
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
  }

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.attributes["consumed_inputs"] = nil
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.setOutputLikeInput()
    try context.requireRank(0, atLeast: 2)
    let shape = try context.shape(0)
    for index in 1...2 { try context.requireShapeAgrees(index, [shape[1]]) }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let count = shape[2...].reduce(1, *)
    return RowNormalization(
      rowCount: shape[0] * shape[1], rowLength: count, epsilon: epsilon, isCentered: true
    ).kernel(
      context, .perChannel(channels: shape[1], perRow: 1, count: count), Element.self)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let x = try builder.input(0)
    let rank = try builder.rank(of: x)
    let spatialAxes = try builder.addAxes(Array(2..<rank))
    let normalization = try builder.normalization(of: x, over: spatialAxes, epsilon: epsilon)
    if builder.needs(0) {
      let scale = try builder.alongChannels(try builder.input(1), rank: rank)
      let scaled = builder.add("Mul", [gradient, scale])
      builder.setInputGradient(
        0, builder.gradient(through: normalization, of: scaled, over: spatialAxes))
    }
    if builder.needs(1) {
      let product = builder.add("Mul", [gradient, normalization.normal])
      builder.setInputGradient(1, try builder.sumPerChannel(product, rank: rank))
    }
    if builder.needs(2) {
      builder.setInputGradient(2, try builder.sumPerChannel(gradient, rank: rank))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "no spatial axes",
        inputs: [
          .floats([-0.06, 0.41, -0.99, -0.66], [2, 2]), .floats([1.5, -0.5], [2]),
          .floats([0.25, 1], [2]),
        ],
        outputs: [.floats([0.25, 1, 0.25, 1], [2, 2])],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "1-D",
        attributes: ["epsilon": .float(0.01)],
        inputs: [
          .floats(
            [-0.78, 0.36, 0.34, 2.03, -1.39, 0.89, -0.09, -0.01, -1.45, -0.46, 0.74, -0.08],
            [2, 2, 3]), .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
        ],
        outputs: [
          .floats(
            [
              -1.8346641, 1.3200047, 1.2646595, 0.46679467, 1.6665066, 0.8666987, 1.2076567,
              1.3872174, -1.8448739, 1.5156903, 0.34069955, 1.1436099,
            ], [2, 2, 3])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "2-D",
        inputs: [
          .floats([0.08, -0.29, 1.15, -0.02, -2.2, -0.69, -1.97, -3.25], [1, 2, 2, 2]),
          .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
        ],
        outputs: [
          .floats(
            [
              -0.16047738, -1.1729882, 2.7675946, -0.43412897, 1.0947213, 0.26556584, 0.9684261,
              1.6712863,
            ], [1, 2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}
