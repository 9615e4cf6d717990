import GraftExecution
import GraftFiles
import GraftGraph

/// Local response normalization: divides by a power of the sum of squares over neighbouring
/// channels.
///
/// y = x / (bias + alpha / size · Σ x²)^beta
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LRN.html>
package struct LRN: RealOperator {
  package static let schema = OperatorSchema("LRN", since: [1, 13], sameSince: 1, inputs: 1...1)
  package static let widening = Widening.rounds
  package static let isLaborious = true

  let region: ResponseRegion
  /// Only in the blocked form.
  var channels: Int?
  private let attributes: [ByteString: Attribute]

  package init(_ attributes: AttributeReader) throws {
    region = try ResponseRegion(attributes)
    self.attributes = attributes.attributes
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.setOutputLikeInput()
    try context.requireRank(0, atLeast: 2)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let channels = shape[1]
    let count = shape[2...].reduce(1, *)
    let region = region
    return PreparedKernel.parallel(
      count: shape[0] * channels, grain: max(1, 4096 / max(1, count))
    ) { arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes {
        let item = x + plane / channels * channels * count
        let x = x + plane * count
        let y = y + plane * count
        region.sumSquares(item, y, channel: plane % channels, channels: channels, count: count)
        for i in 0..<count { y[i] = x[i] * region.inversePower(region.base(y[i])) }
      }
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      builder.add(
        "LRNGradient", domain: "graft", [try builder.outputGradient(), try builder.input(0)],
        attributes: attributes))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "odd size",
        attributes: [
          "size": .int(3), "alpha": .float(0.5), "beta": .float(0.75), "bias": .float(1),
        ],
        inputs: [.floats([-1.11, -0.07, 0.87, -0.39, -0.23, -0.22, 0.11, -1.59], [1, 4, 1, 2])],
        outputs: [
          .floats(
            [
              -0.8955031, -0.068656966, 0.6984152, -0.38027754, -0.20888741, -0.16608395,
              0.10911464, -1.2162644,
            ], [1, 4, 1, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [.floats([0.19, -0, -0.99, 0.46, 2.02, -0.26, -0.2, -1.04], [1, 4, 1, 2])],
        outputs: [
          .floats(
            [
              0.12655282, -0, -0.5478798, 0.31973755, 1.1604406, -0.1719142, -0.14106913,
              -0.6902114,
            ], [1, 4, 1, 2])
        ],
        differentiableInputs: [0]),
    ]
  }
}
