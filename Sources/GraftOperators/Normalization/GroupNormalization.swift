import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Normalizes each group of channels of each item of a batch, then scales and shifts by channel.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>
package struct GroupNormalization: RealOperator {
  package static let schema = OperatorSchema(
    "GroupNormalization", since: [18, 21], sameSince: 21, inputs: 3...3)
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]

  let groupCount: Int
  let epsilon: Double

  package init(_ attributes: AttributeReader) throws {
    groupCount = try attributes.required("num_groups", attributes.int("num_groups"))
    guard groupCount > 0 else {
      throw GraftError.badData("attribute 'num_groups' is \(groupCount); expected at least 1")
    }
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
  }

  /// Opset 18 had one scale and one bias for each group; they are repeated for its channels.
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 21, node.inputs.count == 3 else { return }
    let groups = try context.addIntegers([Self(AttributeReader(node.attributes)).groupCount])
    let channels = context.addBefore(
      "Shape", [node.inputs[0]], attributes: ["start": .int(1), "end": .int(2)])
    let channelsPerGroup = context.addBefore("Div", [channels, groups])
    let repeated = context.addBefore(
      "Concat", [groups, channelsPerGroup], attributes: ["axis": .int(0)])
    let column = try context.addIntegers([-1, 1])
    let flat = try context.addIntegers([-1])
    for index in 1...2 {
      let perGroup = context.addBefore("Reshape", [node.inputs[index], column])
      let perChannel = context.addBefore("Expand", [perGroup, repeated])
      node.inputs[index] = context.addBefore("Reshape", [perChannel, flat])
    }
  }

  /// Decomposes the normalization: before opset 21 there are no scales per channel.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    let form = try Self(AttributeReader(node.attributes))
    let x = node.inputs[0]
    let rank = try context.rank(x, of: "input 0")
    guard rank >= 2, let type = context.type(x)?.elementType else {
      throw GraftError.unsupported("its element type is unknown")
    }
    let groups = form.groupCount
    let ones = try ElementConversion.scalar(1, as: type)
    let scale = try context.addBefore(
      "Expand", [context.addConstant(ones), try context.addIntegers([groups])])
    let shift = context.addConstant(try Tensor(zeros: type, shape: [groups]))
    let shape = try context.addBefore("Shape", [x])
    let grouped = try context.addBefore("Reshape", [x, try context.addIntegers([0, groups, -1])])
    let normalized = try context.addBefore(
      "InstanceNormalization", [grouped, scale, shift],
      attributes: ["epsilon": node.attributes["epsilon"] ?? .float(1e-5)])
    let whole = try context.addBefore("Reshape", [normalized, shape])
    let perChannel = try context.addIntegers([-1] + [Int](repeating: 1, count: rank - 2))
    let scaled = try context.addBefore(
      "Mul", [whole, try context.addBefore("Reshape", [node.inputs[1], perChannel])])
    node.operatorType = Add.schema.name
    node.inputs = [scaled, try context.addBefore("Reshape", [node.inputs[2], perChannel])]
    node.attributes = [:]
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.setOutputLikeInput()
    try context.requireRank(0, atLeast: 2)
    let shape = try context.shape(0)
    if let channels = shape[1].known, channels % groupCount != 0 {
      throw GraftError.badData("\(channels) channels do not divide into \(groupCount) groups")
    }
    for index in 1...2 { try context.requireShapeAgrees(index, [shape[1]]) }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let count = shape[2...].reduce(1, *)
    let channelsPerGroup = shape[1] / groupCount
    return RowNormalization(
      rowCount: shape[1] == 0 ? 0 : shape[0] * groupCount, rowLength: channelsPerGroup * count,
      epsilon: epsilon, isCentered: true
    ).kernel(
      context, .perChannel(channels: shape[1], perRow: channelsPerGroup, count: count),
      Element.self)
  }

  /// Groups become rows of `[N, groups, elements]`.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let x = try builder.input(0)
    let rank = try builder.rank(of: x)
    let shape = builder.add("Shape", [x])
    let grouped = try builder.addAxes([0, groupCount, -1])
    let rowAxis = try builder.addAxes([2])
    let rows = builder.add("Reshape", [x, grouped])
    let normalization = try builder.normalization(of: rows, over: rowAxis, epsilon: epsilon)
    if builder.needs(0) {
      let scale = try builder.alongChannels(try builder.input(1), rank: rank)
      let scaled = builder.add("Reshape", [builder.add("Mul", [gradient, scale]), grouped])
      let rowGradient = builder.gradient(through: normalization, of: scaled, over: rowAxis)
      builder.setInputGradient(0, builder.add("Reshape", [rowGradient, shape]))
    }
    if builder.needs(1) {
      let normal = builder.add("Reshape", [normalization.normal, shape])
      let product = builder.add("Mul", [gradient, normal])
      builder.setInputGradient(1, try builder.sumPerChannel(product, rank: rank))
    }
    if builder.needs(2) {
      builder.setInputGradient(2, try builder.sumPerChannel(gradient, rank: rank))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two groups",
        attributes: ["num_groups": .int(2)],
        inputs: [
          .floats([-0.53, 1.33, 0.05, -1.17, -0.94, 1.13, 0.16, 0.05], [1, 4, 2]),
          .floats([1, 2, -1, 0.5], [4]), .floats([0, 0.5, 1, -1], [4]),
        ],
        outputs: [
          .floats(
            [
              -0.48840675, 1.5303411, 0.7821905, -1.8660595, 2.418997, -0.40535283, -0.9590674,
              -1.0341105,
            ], [1, 4, 2])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "one group, epsilon",
        attributes: ["num_groups": .int(1), "epsilon": .float(0.1)],
        inputs: [
          .floats([-0.05, 0.04, 0.81, 0.55, 0.22, -1.04, 0.51, -0.68], [2, 2, 2]),
          .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
        ],
        outputs: [
          .floats(
            [
              -0.9705944, -0.6871016, 0.5038874, 0.77688056, 1.2398691, -1.4280133, 0.4653648,
              1.3052537,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}
