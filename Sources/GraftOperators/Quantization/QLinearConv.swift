import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Convolution of integers of 8 bits that stand for real numbers, with results of 8 bits.
///
/// A result is saturate(round(sum · (scale of the image · scale of the weights / scale)) + zero
/// point). The factor is a float; its product with the sum is rounded once, to the nearest integer,
/// ties to even. The reference implementation adds the zero point before it rounds, which differs
/// from the specification's formula at ties with odd zero points.
///
/// Inputs: image [N, C, …] with scale and zero point; weights [M, C / group, …] with one scale and
/// zero point, or one per output channel; scale and zero point of the result; bias [M] (optional).
/// Specification: <https://onnx.ai/onnx/operators/onnx__QLinearConv.html>
package struct QLinearConv: Operator {
  package static let schema = OperatorSchema("QLinearConv", since: [10], inputs: 8...9)
  package static let isLaborious = true

  package let attributes: ConvolutionAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let shape = try attributes.inferQuantizedConvolution(
      &context, image: try context.input(0).shape)
    context.setOutput(0, try context.elementType(7), shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let problem = try ConvolutionProblem.convolution(
      attributes, image: try context.input(0).shape, weights: try context.input(3).shape,
      output: try context.output(0).shape)
    return try IntegerConvolution(
      problem, .quantized,
      .bytes(Requantization(leftScale: 1, rightScale: 4, scale: 6, zeroPoint: 7, context)),
      .init(), context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one tap",
        inputs: [
          .example([255, 174, 162, 25, 203, 168, 58, 15, 59] as [UInt8], [1, 1, 3, 3]),
          .floats([0.003_692_048], []), .example([132] as [UInt8], []),
          .example([0] as [UInt8], [1, 1, 1, 1]), .floats([0.001_727_949_7], [1]),
          .example([255] as [UInt8], [1]), .floats([0.001_621_675_2], []),
          .example([123] as [UInt8], []),
        ],
        outputs: [
          .example([0, 81, 93, 230, 52, 87, 197, 240, 196] as [UInt8], [1, 1, 3, 3])
        ]),
      OperatorExample(
        "scales by channel, with a bias",
        attributes: ["pads": .ints([0, 1]), "strides": .ints([2])],
        inputs: [
          .example([1, -2, 3, 4, 5, -6] as [Int8], [1, 2, 3]), .floats([0.5], []),
          .example([1] as [Int8], []), .example([1, 2, 3, 4, -1, 0, 2, 1] as [Int8], [2, 2, 2]),
          .floats([1, 0.5], [2]), .example([0, 0] as [Int8], [2]), .floats([2], []),
          .example([3] as [Int8], []), .example([2, -100] as [Int32], [2]),
        ],
        // Of the sums 21, -17, -90 and -116 with the factors 0.25 and 0.125
        outputs: [.example([8, -1, -8, -11] as [Int8], [1, 2, 2])]),
    ]
  }
}

extension IntegerConvolution.Inputs {
  /// Those of QLinearConv.
  static let quantized = IntegerConvolution.Inputs(
    image: 0, imageZeroPoint: 2, weights: 3, weightZeroPoints: 5, bias: 8)
}

extension ConvolutionAttributes {
  /// Checks the inputs of QLinearConv.
  ///
  /// - Parameter image: the shape of the image with channels first
  /// - Returns: the shape of the result with channels first; `nil` if it is not known
  func inferQuantizedConvolution(
    _ context: inout InferenceContext, image: [Dimension]?, biasTypes: Set<ElementType> = [.int32]
  ) throws -> [Dimension]? {
    for index in [0, 3, 7] { try context.require(index, .bytes) }
    for index in [1, 4, 6] { try context.require(index, [.float]) }
    try context.requireSameElementType([0, 2])
    try context.requireSameElementType([3, 5])
    if context.hasInput(8) { try context.require(8, biasTypes) }
    for index in [1, 2, 6, 7] { try context.requireOneElement(index) }
    guard let image, let weights = try context.input(3).shape else { return nil }
    let shape = try convolutionShape(image: image, weights: weights)
    for index in [4, 5] { try context.requireOneOrEach(index, of: shape[1], "output channels") }
    try checkBias(context, 8, channels: shape[1])
    return shape
  }
}
