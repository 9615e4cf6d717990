import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of a convolution's image.
///
/// Inputs: output gradient [N, M, …], weights [M, C / group, …], the image's shape (int64). The
/// attributes are those of the Conv node. Its specification:
/// <https://onnx.ai/onnx/operators/onnx__Conv.html>
package struct ConvolutionInputGradient: Operator {
  package static let schema = OperatorSchema(
    "ConvolutionInputGradient", domain: "graft", since: [1], inputs: 3...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true

  let attributes: ConvolutionAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.contents(2).integers()
    try ConvolutionAttributes.check(shape, of: "an image")
    context.setOutput(0, elementType, [Dimension](shape))
    let outputGradient = try context.shape(0)
    let weights = try context.shape(1)
    _ = try attributes.checkedKernel(weights: weights, imageRank: shape.count)
    try attributes.checkGradient(
      outputGradient, image: [Dimension](shape), weights: weights)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float, prepare)
    }
    let output = try context.output(0).shape
    let weights = try context.input(1).shape
    let paddings = (0..<(output.count - 2)).map { axis in
      attributes.padding(
        axis, rank: output.count - 2, input: output[axis + 2], kernel: weights[axis + 2]
      ).begin
    }
    return try ConvolutionProblem.transposed(
      attributes, image: try context.input(0).shape, weights: weights, output: output,
      paddings: paddings
    ).kernel(context)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "stride that leaves a column", attributes: ["strides": .ints([2])],
        inputs: [
          .floats([1, 2], [1, 1, 2]), .floats([3, 4], [1, 1, 2]), .integers([1, 1, 5], [3]),
        ],
        outputs: [.floats([3, 4, 6, 8, 0], [1, 1, 5])]),
      OperatorExample(
        "padded",
        attributes: ["pads": .ints([1, 1, 1, 1])],
        inputs: [
          .floats([1, 2, 3, 4], [1, 1, 2, 2]),
          .floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]), .integers([1, 1, 2, 2], [4]),
        ],
        outputs: [.floats([23, 33, 53, 63], [1, 1, 2, 2])]),
      OperatorExample(
        "two channels, each with its kernel", attributes: ["group": .int(2)],
        inputs: [
          .floats([1, -1, 2, 1], [1, 2, 1, 2]), .floats([1, 2, 3, 4], [2, 1, 1, 2]),
          .integers([1, 2, 1, 3], [4]),
        ],
        outputs: [.floats([1, 1, -2, 6, 11, 4], [1, 2, 1, 3])]),
      OperatorExample(
        "padded, a stride that leaves a column",
        attributes: ["pads": .ints([0, 1, 0, 0]), "strides": .ints([1, 2])],
        inputs: [
          .floats([1, 2], [1, 1, 1, 2]), .floats([3, 5], [1, 1, 1, 2]),
          .integers([1, 1, 1, 4], [4]),
        ],
        outputs: [.floats([5, 6, 10, 0], [1, 1, 1, 4])]),
    ]
  }
}

extension ConvolutionAttributes {
  /// Checks that an output gradient matches a convolution of these shapes.
  func checkGradient(
    _ outputGradient: [Dimension], image: [Dimension], weights: [Dimension]
  ) throws {
    let rank = image.count - 2
    var expected: [Dimension] = [image[0], weights[0]]
    for axis in 0..<rank {
      expected.append(
        try Dimension.combine(image[axis + 2], weights[axis + 2]) { input, kernel in
          try outputExtent(axis, rank: rank, input: input, kernel: kernel)
        })
    }
    guard outputGradient.count == expected.count,
      zip(outputGradient, expected).allSatisfy({ $0.known == nil || $1.known == nil || $0 == $1 })
    else {
      throw GraftError.badData(
        "the output gradient has shape \(outputGradient); expected \(expected)")
    }
    if let channels = image[1].known, let perGroup = weights[1].known, let rows = weights[0].known,
      channels != perGroup * groupCount || rows % groupCount != 0
    {
      throw GraftError.badData(
        "weights of shape \(weights) in \(groupCount) groups do not take \(channels) channels")
    }
  }
}
