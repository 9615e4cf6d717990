/// Normalizes to mean 0 and variance 1 over any axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>
struct MeanVarianceNormalization: RealOperator {
  static let schema = OperatorSchema(
    "MeanVarianceNormalization", since: [9, 13], sameSince: 9, inputs: 1...1)

  let axes: [Int]

  /// The specification's function adds it to the deviation.
  static let epsilon = 1e-9

  init(_ attributes: AttributeReader) throws { axes = try attributes.ints("axes") ?? [0, 2, 3] }

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
    // The square of the specification's epsilon stands in for it; both only matter next to 0.
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
              -1.25, -1.11, 1.28, -0.91, 1.08, 1.52, 0.26, 0.55, 1.95, -0.2, -0.59, -1.35, 0.04,
              1.48, 0.96, -0.94,
            ], [2, 2, 2, 2])
        ],
        outputs: [
          .floats(
            [
              -0.8460053, -0.7248383, 1.3436555, -0.5517426, 0.59663534, 1.1657833, -0.46404964,
              -0.08892933, 1.9235263, 0.062747225, -0.2747894, -0.9325532, -0.7486236, 1.1140426,
              0.4414131, -2.0162714,
            ], [2, 2, 2, 2])
        ],
        tolerance: 1e-5,
        differentiableInputs: [0]),
      OperatorExample(
        "last axis of two",
        attributes: ["axes": .ints([-1])],
        inputs: [.floats([-0.86, -0.5, 0.29, -0.21, 0.21, 0.3, -0.3, -0.04], [2, 4])],
        outputs: [
          .floats(
            [
              -1.2833519, -0.42778397, 1.4497125, 0.26142362, 0.71671075, 1.1018091, -1.4655131,
              -0.35300678,
            ], [2, 4])
        ],
        tolerance: 1e-5,
        differentiableInputs: [0]),
    ]
  }
}
