import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Convolution of integers of 8 bits: int32 sums of (image - zero point) * (weights - zero point).
///
/// Inputs: image [N, C, …], weights [M, C / group, …], the zero points of the image (one) and of
/// the weights (one, or one per output channel).
/// Specification: <https://onnx.ai/onnx/operators/onnx__ConvInteger.html>
package struct ConvInteger: Operator {
  package static let schema = OperatorSchema("ConvInteger", since: [10], inputs: 2...4)
  package static let isLaborious = true

  private let attributes: ConvolutionAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .bytes)
    try context.require(1, .bytes)
    try context.requireSameElementType([0, 2])
    try context.requireSameElementType([1, 3])
    context.setOutput(0, .int32, nil)
    if context.hasInput(2) { try context.requireOneElement(2) }
    let shape = try attributes.convolutionShape(
      image: try context.shape(0), weights: try context.shape(1))
    context.setOutput(0, .int32, shape)
    if context.hasInput(3) { try context.requireOneOrEach(3, of: shape[1], "output channels") }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let problem = try ConvolutionProblem.convolution(
      attributes, image: try context.input(0).shape, weights: try context.input(1).shape,
      output: try context.output(0).shape)
    return try IntegerConvolution(
      problem,
      .init(image: 0, imageZeroPoint: 2, weights: 1, weightZeroPoints: 3, bias: nil), .sums,
      .init(), context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "with zero points, padded", attributes: ["pads": .ints([1, 1, 1, 1])],
        inputs: [
          .example([2, 3, 4, 5, 6, 7, 8, 9, 10] as [UInt8], [1, 1, 3, 3]),
          .example([1, 1, 1, 1] as [UInt8], [1, 1, 2, 2]), .example([1] as [UInt8], []),
        ],
        outputs: [
          .example(
            [1, 3, 5, 3, 5, 12, 16, 9, 11, 24, 28, 15, 7, 15, 17, 9] as [Int32], [1, 1, 4, 4])
        ]),
      OperatorExample(
        "groups along one axis", attributes: ["group": .int(2), "dilations": .ints([2])],
        inputs: [
          .example([1, 2, 3, 4, -5, 6, 7, 8] as [Int8], [1, 2, 4]),
          .example([1, -1, 2, 1] as [Int8], [2, 1, 2]), .example([1] as [Int8], [1]),
          .example([0, 1] as [Int8], [2]),
        ],
        outputs: [.example([-2, -2, -6, 5] as [Int32], [1, 2, 2])]),
    ]
  }
}

extension ConvolutionAttributes {
  /// The shape of the result.
  func convolutionShape(image: [Dimension], weights: [Dimension]) throws -> [Dimension] {
    let kernel = try checkedKernel(weights: weights, imageRank: image.count)
    if let channels = image[1].known, let perGroup = weights[1].known,
      channels != perGroup * groupCount
    {
      throw GraftError.badData(
        "the image has \(channels) channels; weights of shape \(weights) in \(groupCount) "
          + "groups take \(perGroup * groupCount)")
    }
    if let rows = weights[0].known, rows % groupCount != 0 {
      throw GraftError.badData("\(rows) output channels do not divide into \(groupCount) groups")
    }
    let spatialRank = image.count - 2
    return [image[0], weights[0]]
      + (try (0..<spatialRank).map { axis in
        try Dimension.combine(image[axis + 2], kernel[axis]) { input, kernel in
          try outputExtent(axis, rank: spatialRank, input: input, kernel: kernel)
        }
      })
  }
}

extension InferenceContext {
  /// - Throws: `GraftError` if an input is known to be neither one element nor a vector of
  ///   `count` elements
  func requireOneOrEach(_ index: Int, of count: Dimension, _ what: String) throws {
    guard let shape = try input(index).shape?.knownShape, let count = count.known else { return }
    guard shape == [count] || shape.allSatisfy({ $0 == 1 }) else {
      throw GraftError.badData(
        "input \(index) has the shape \(shape); expected one element, or one for each of \(count) "
          + what)
    }
  }
}
