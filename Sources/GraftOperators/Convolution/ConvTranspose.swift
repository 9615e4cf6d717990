import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The transpose of a convolution: each input element is spread over a window of the output by a
/// kernel.
///
/// Inputs: image [N, C, …], weights [C, M / group, …], bias [M] (optional).
/// Specification: <https://onnx.ai/onnx/operators/onnx__ConvTranspose.html>
package struct ConvTranspose: Operator {
  package static let schema = OperatorSchema(
    "ConvTranspose", since: [1, 11, 22], sameSince: 1, inputs: 2...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]
  package static let isWeightedSum = true
  package static let isLaborious = true

  let attributes: ConvolutionAttributes
  private let outputPadding: [Int]?
  private let outputShape: [Int]?

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    outputPadding = try attributes.ints("output_padding")
    outputShape = try attributes.ints("output_shape")
    for (name, values) in [("output_padding", outputPadding), ("output_shape", outputShape)] {
      for value in values ?? [] where value < 0 || value > 1 << 36 {
        throw GraftError.badData("attribute '\(name)' contains \(value)")
      }
    }
  }

  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard let image = inputs[0], let weights = inputs[1] else { return nil }
    return (image + weights.dropFirst()).checkedProduct
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let image = try context.shape(0)
    let weights = try context.shape(1)
    let kernel = try attributes.checkedKernel(weights: weights, imageRank: image.count)
    let spatialRank = image.count - 2
    for (name, values) in [("output_padding", outputPadding), ("output_shape", outputShape)] {
      if let values, values.count != spatialRank {
        throw GraftError.badData(
          "attribute '\(name)' has \(values.count) values; expected \(spatialRank)")
      }
    }
    if let channels = image[1].known, let expected = weights[0].known, channels != expected {
      throw GraftError.badData(
        "the image has \(channels) channels; weights of shape \(weights) take \(expected)")
    }
    if let channels = weights[0].known, channels % attributes.groupCount != 0 {
      throw GraftError.badData(
        "\(channels) input channels do not divide into \(attributes.groupCount) groups")
    }
    let outputChannels = try weights[1].map {
      try [$0, attributes.groupCount].checkedElementCount()
    }
    try attributes.checkBias(context, 2, channels: outputChannels)
    let spatial = try (0..<spatialRank).map { axis in
      try Dimension.combine(image[axis + 2], kernel[axis]) { input, kernel in
        try ConvolutionAttributes.check([input], of: "an image")
        return try extent(axis, rank: spatialRank, input: input, kernel: kernel).output
      }
    }
    context.setOutput(0, elementType, [image[0], outputChannels] + spatial)
  }

  /// The output's extent along an axis, and the amounts cropped before and after it.
  private func extent(
    _ axis: Int, rank: Int, input: Int, kernel: Int
  ) throws -> (output: Int, begin: Int, end: Int) {
    let stride = attributes.stride(axis)
    let coverage = attributes.coverage(axis, kernel: kernel)
    let full = max(0, input - 1) * stride + (outputPadding?[axis] ?? 0) + coverage
    func cut(to output: Int) -> (output: Int, begin: Int, end: Int) {
      let total = max(0, full - output)
      // Without a mode, the odd element is cropped at the start.
      let padding = attributes.padding == .sameUpper ? attributes.padding : .sameLower
      let (begin, end) = padding.split(total)
      return (output, begin, end)
    }
    if let outputShape { return cut(to: outputShape[axis]) }
    switch attributes.padding {
    // Where the kernel is shorter than the stride, there is nothing to crop.
    case .sameUpper, .sameLower: return cut(to: min(input * stride, full))
    case .valid: return (full, 0, 0)
    case .explicit:
      let (begin, end) = attributes.explicitPadding(axis, rank: rank)
      guard full >= begin + end else {
        throw GraftError.badData("pads leave nothing of the output along spatial axis \(axis)")
      }
      return (full - begin - end, begin, end)
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float, prepare)
    }
    let image = try context.input(0).shape
    let weights = try context.input(1).shape
    let paddings = try (0..<(image.count - 2)).map { axis in
      try extent(
        axis, rank: image.count - 2, input: image[axis + 2], kernel: weights[axis + 2]
      ).begin
    }
    var problem = try ConvolutionProblem.transposed(
      attributes, image: image, weights: weights, output: try context.output(0).shape,
      paddings: paddings)
    problem.inputs.bias = context.hasInput(2) ? 2 : nil
    return try problem.kernel(context)
  }

  /// The gradient of the image is a convolution; that of the weights is a convolution's weight
  /// gradient with image and output gradient swapped.
  package func gradient(_ builder: inout GradientBuilder) throws {
    let outputGradient = try builder.outputGradient()
    let convolution = try convolutionAttributes(builder)
    if builder.needs(0) {
      builder.setInputGradient(
        0,
        builder.add("Conv", [outputGradient, try builder.input(1)], attributes: convolution))
    }
    if builder.needs(1) {
      let shape = builder.add("Shape", [try builder.input(1)])
      builder.setInputGradient(
        1,
        builder.add(
          "ConvolutionWeightGradient", domain: "graft",
          [outputGradient, try builder.input(0), shape], attributes: convolution))
    }
    if builder.needs(2) {
      builder.setInputGradient(2, try builder.sumOfChannels(outputGradient))
    }
  }

  /// The attributes of the convolution that this operator transposes, with explicit pads.
  private func convolutionAttributes(_ builder: GradientBuilder) throws -> [ByteString: Attribute] {
    guard let image = try builder.type(of: builder.input(0))?.shape,
      let weights = try builder.type(of: builder.input(1))?.shape,
      image.count == weights.count, image.count > 2
    else {
      throw GraftError.unsupported("ConvTranspose's gradient needs to know the ranks of its inputs")
    }
    let rank = image.count - 2
    var begins: [Int] = []
    var ends: [Int] = []
    for axis in 0..<rank {
      let isFixed = outputShape != nil || [.sameUpper, .sameLower].contains(attributes.padding)
      guard let kernel = weights[axis + 2].known,
        let input = image[axis + 2].known ?? (isFixed ? nil : 1)
      else {
        throw GraftError.unsupported("ConvTranspose's gradient needs to know its spatial extents")
      }
      let extent = try extent(axis, rank: rank, input: input, kernel: kernel)
      let stride = attributes.stride(axis)
      let coverage = attributes.coverage(axis, kernel: kernel)
      let end = max(0, input - 1) * stride + coverage - extent.output - extent.begin
      // A convolution drops only what does not fill a stride.
      guard -end < stride else {
        throw GraftError.unsupported(
          "ConvTranspose's gradient with outputs that the kernel does not reach")
      }
      begins.append(extent.begin)
      ends.append(max(0, end))
    }
    return [
      "group": .int(attributes.groupCount),
      "strides": .ints((0..<rank).map(attributes.stride)),
      "dilations": .ints((0..<rank).map(attributes.dilation)),
      "pads": .ints(begins + ends),
    ]
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4], [1, 1, 2, 2])
    let kernel = Tensor.floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    return [
      OperatorExample(
        "strides, output padding and bias",
        attributes: ["strides": .ints([3, 2]), "output_padding": .ints([1, 1])],
        inputs: [image, .floats([1, 2, 3, 4], [1, 1, 2, 2]), .floats([0.5], [1])],
        outputs: [
          .floats(
            [
              1.5, 2.5, 2.5, 4.5, 0.5, 3.5, 4.5, 6.5, 8.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
              3.5, 6.5, 4.5, 8.5, 0.5, 9.5, 12.5, 12.5, 16.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
            ], [1, 1, 6, 5])
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "groups and dilation",
        attributes: ["group": .int(2), "strides": .ints([2]), "dilations": .ints([2])],
        inputs: [.floats([1, 2, 3, 4], [1, 2, 2]), .floats([1, 2, 3, 4], [2, 1, 2])],
        outputs: [.floats([1, 0, 4, 0, 4, 9, 0, 24, 0, 16], [1, 2, 5])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "twice the size",
        attributes: ["strides": .ints([2, 2]), "auto_pad": .string("SAME_UPPER")],
        inputs: [image, kernel],
        outputs: [
          .floats([1, 2, 5, 4, 4, 5, 14, 10, 10, 14, 36, 24, 12, 15, 34, 20], [1, 1, 4, 4])
        ], differentiableInputs: [0, 1]),
      OperatorExample(
        "given output shape",
        attributes: ["strides": .ints([2, 2]), "output_shape": .ints([4, 4])],
        inputs: [image, kernel],
        outputs: [
          .floats([5, 14, 10, 12, 14, 36, 24, 30, 15, 34, 20, 24, 24, 55, 32, 36], [1, 1, 4, 4])
        ], differentiableInputs: [0, 1]),
      OperatorExample(
        "two output channels",
        inputs: [
          .floats((0..<9).map(Float.init), [1, 1, 3, 3]),
          .floats([Float](repeating: 1, count: 18), [1, 2, 3, 3]),
        ],
        outputs: [
          .floats(
            [
              0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15,
              8, 0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21,
              15, 8,
            ], [1, 2, 5, 5])
        ], differentiableInputs: [0, 1]),
    ]
  }
}
