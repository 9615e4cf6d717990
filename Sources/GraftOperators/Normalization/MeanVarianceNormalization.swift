import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Normalizes to mean 0 and variance 1 over any axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>
struct MeanVarianceNormalization: RealOperator {
  static let schema = OperatorSchema(
    "MeanVarianceNormalization", since: [1, 9, 13], sameSince: 9, inputs: 1...1)

  let axes: [Int]

  /// The specification's function adds it to the deviation.
  static let epsilon = 1e-9

  init(_ attributes: AttributeReader) throws { axes = try attributes.ints("axes") ?? [0, 2, 3] }

  /// The experimental form of before opset 9 is for images, and as onnxruntime has it.
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 9 else { return }
    let attributes = AttributeReader(node.attributes)
    let axes = try attributes.flag("across_channels") ? [0, 1, 2, 3] : [0, 2, 3]
    if try attributes.flag("normalize_variance", default: true) {
      node.attributes = ["axes": .ints(axes)]
    } else {
      let mean = context.addBefore(
        "ReduceMean", [node.inputs[0], try context.addIntegers(axes)])
      node = Node(
        name: node.name, operatorType: Sub.schema.name, inputs: [node.inputs[0], mean],
        outputs: node.outputs, documentation: node.documentation, metadata: node.metadata)
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    let rank = try context.shape(0).count
    for axis in axes { _ = try normalizedAxis(axis, rank: rank) }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let reduced = Set(try axes.map { try normalizedAxis($0, rank: shape.count) })
    let offsets = GroupOffsets(shape: shape, reduced: reduced)
    let total = Double(offsets.segmentCount * offsets.segmentLength)
    let instructionSet = context.instructionSet
    return PreparedKernel.parallel(
      count: offsets.groupCount, grain: max(1, 16384 / max(1, Int(total)))
    ) { arguments, groups in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      let length = offsets.segmentLength
      for group in groups {
        var sum = 0.0
        offsets.forEachSegment(of: group) { start in
          sum += Element.sum(x + start, count: length, instructionSet)
        }
        let mean = Element(sum / total)
        var squares = 0.0
        offsets.forEachSegment(of: group) { start in
          squares += Element.sumOfSquaredDeviations(
            x + start, count: length, mean: mean, instructionSet)
        }
        let deviation = (squares / total).squareRoot() + Self.epsilon
        offsets.forEachSegment(of: group) { start in
          Element.normalize(
            x + start, y + start, count: length, mean: mean, scale: Element(1 / deviation),
            shift: 0, instructionSet)
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let axes = try builder.addAxes(axes)
    // Uses the square of the specification's epsilon; both only matter near 0.
    let normalization = try builder.normalization(
      of: try builder.input(0), over: axes, epsilon: Self.epsilon * Self.epsilon)
    builder.setInputGradient(
      0,
      builder.gradient(through: normalization, of: try builder.outputGradient(), over: axes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "per channel",
        inputs: [
          .floats(
            [
              0.55, 1.95, -0.2, -0.59, -1.35, 0.04, 1.48, 0.96, -0.94, -0.86, -0.5, 0.29, -0.21,
              0.21, 0.3, -0.3,
            ], [2, 2, 2, 2])
        ],
        outputs: [
          .floats(
            [
              0.65484506, 2.215327, -0.18112737, -0.61583304, -1.8779254, -0.12750372, 1.6858827,
              1.0310488, -1.0059536, -0.9167831, -0.51551634, 0.3650413, -0.44232777, 0.08657662,
              0.1999133, -0.5556644,
            ], [2, 2, 2, 2])
        ],
        tolerance: 1e-5,
        differentiableInputs: [0]),
      OperatorExample(
        "last axis of two",
        attributes: ["axes": .ints([-1])],
        inputs: [.floats([-0.04, 0.21, -0.08, 0.5, 1.87, 0.59, 0.06, -1.69], [2, 4])],
        outputs: [
          .floats(
            [
              -0.8086048, 0.26953492, -0.98110706, 1.520177, 1.3009266, 0.2993109, -0.11542053,
              -1.4848169,
            ], [2, 4])
        ],
        tolerance: 1e-5,
        differentiableInputs: [0]),
    ]
  }
}
