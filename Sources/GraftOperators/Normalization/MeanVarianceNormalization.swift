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
              -1.25, -1.11, 1.28, -0.91000003, 1.08, 1.52, 0.25999999, 0.55000001, 1.95, -0.2,
              -0.58999997, -1.35, 0.039999999, 1.48, 0.95999998, -0.94,
            ], [2, 2, 2, 2])
        ],
        outputs: [
          .floats(
            [
              -0.84600532, -0.72483832, 1.3436555, -0.55174261, 0.59663534, 1.1657833, -0.46404964,
              -0.088929333, 1.9235263, 0.062747225, -0.27478939, -0.93255317, -0.74862361,
              1.1140426, 0.4414131, -2.0162714,
            ], [2, 2, 2, 2])
        ],
        tolerance: 1e-5,
        differentiableInputs: [0]),
      OperatorExample(
        "last axis of two",
        attributes: ["axes": .ints([-1])],
        inputs: [
          .floats(
            [
              -0.86000001, -0.5, 0.28999999, -0.20999999, 0.20999999, 0.30000001, -0.30000001,
              -0.039999999,
            ], [2, 4])
        ],
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

/// Splits a tensor into groups that differ in the axes kept and agree in those reduced. A group consists of
/// contiguous segments.
struct GroupOffsets: Sendable {
  let groupCount: Int
  let segmentCount: Int
  /// Elements that lie next to each other and belong to the same group.
  let segmentLength: Int
  private let kept: Axes
  private let reduced: Axes

  /// Extents and strides of some axes.
  private struct Axes {
    var extents: [Int] = []
    var strides: [Int] = []

    /// The offset of the `index`th combination of indices.
    func offset(_ index: Int) -> Int {
      var rest = index
      var offset = 0
      for axis in extents.indices.reversed() {
        offset += rest % extents[axis] * strides[axis]
        rest /= extents[axis]
      }
      return offset
    }
  }

  init(shape: Shape, reduced reducedAxes: Set<Int>) {
    let strides = shape.denseStrides
    var firstOfSegment = shape.count
    while firstOfSegment > 0, reducedAxes.contains(firstOfSegment - 1) { firstOfSegment -= 1 }
    segmentLength = shape[firstOfSegment...].reduce(1, *)
    var kept = Axes()
    var reduced = Axes()
    for axis in 0..<firstOfSegment {
      if reducedAxes.contains(axis) {
        reduced.extents.append(shape[axis])
        reduced.strides.append(strides[axis])
      } else {
        kept.extents.append(shape[axis])
        kept.strides.append(strides[axis])
      }
    }
    // Nothing to do in an empty tensor, and nothing to divide by.
    groupCount = shape.contains(0) ? 0 : kept.extents.reduce(1, *)
    segmentCount = reduced.extents.reduce(1, *)
    self.kept = kept
    self.reduced = reduced
  }

  /// Calls `body` with the offset of each segment of a group, in ascending order.
  func forEachSegment(of group: Int, _ body: (_ start: Int) -> Void) {
    let base = kept.offset(group)
    for segment in 0..<segmentCount { body(base + reduced.offset(segment)) }
  }
}
