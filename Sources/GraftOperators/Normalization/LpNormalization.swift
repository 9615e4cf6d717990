import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Divides by the 1-norm or 2-norm along an axis; gives 0 where that is 0.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LpNormalization.html>
struct LpNormalization: RealOperator {
  static let schema = OperatorSchema(
    "LpNormalization", since: [1, 22], sameSince: 1, inputs: 1...1)

  let axis: Int
  let exponent: Int

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    exponent = try attributes.int("p", default: 2)
    guard exponent == 1 || exponent == 2 else {
      throw GraftError.badData("attribute 'p' is \(exponent); expected 1 or 2")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    _ = try normalizedAxis(axis, rank: context.shape(0).count)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let layout = try AxisLayout(context.input(0).shape, axis: axis)
    let exponent = exponent
    return PreparedKernel.parallel(
      count: layout.columnCount, grain: max(1, 8192 / max(1, layout.length)), inPlaceInputs: [0]
    ) { arguments, columns in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for column in columns {
        let start = layout.start(ofColumn: column)
        let stride = layout.stride
        var sum: Element = 0
        for i in 0..<layout.length { sum += x[start + i * stride].magnitudePower(exponent) }
        let norm = sum.magnitudeRoot(exponent)
        for i in 0..<layout.length {
          y[start + i * stride] = norm == 0 ? 0 : x[start + i * stride] / norm
        }
      }
    }
  }

  /// dx = (dy - direction · Σ dy y) / norm, where direction is y for the 2-norm and sign(x) for the
  /// 1-norm
  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let x = try builder.input(0)
    let y = try builder.output(0)
    let axes = try builder.addAxes([axis])
    let norm = builder.add(exponent == 1 ? "ReduceL1" : "ReduceL2", [x, axes])
    let isZero = builder.add("Equal", [norm, try builder.addScalar(0, like: norm)])
    let divisor = builder.add("Where", [isZero, try builder.addScalar(1, like: norm), norm])
    let along = builder.add("ReduceSum", [builder.add("Mul", [gradient, y]), axes])
    let direction = exponent == 1 ? builder.add("Sign", [x]) : y
    let across = builder.add("Sub", [gradient, builder.add("Mul", [direction, along])])
    let quotient = builder.add("Div", [across, divisor])
    builder.setInputGradient(
      0, builder.add("Where", [isZero, try builder.addScalar(0, like: norm), quotient]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "2-norm",
        inputs: [.floats([0.39, -1.95, -1.41, 0.85, 0.71, -0.15], [2, 3])],
        outputs: [
          .floats([0.15998258, -0.7999129, -0.5783986, 0.76053697, 0.635272, -0.1342124], [2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "1-norm, first axis",
        attributes: ["axis": .int(0), "p": .int(1)],
        inputs: [.floats([-1.71, -0.37, -0.68, 0.64, 2.26, 0.22], [3, 2])],
        outputs: [
          .floats(
            [-0.36774194, -0.30081302, -0.14623655, 0.5203252, 0.4860215, 0.17886178], [3, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "a norm of 0",
        inputs: [.floats([0, 0, 3, 4], [2, 2])],
        outputs: [.floats([0, 0, 0.6, 0.8], [2, 2])]),
    ]
  }
}
