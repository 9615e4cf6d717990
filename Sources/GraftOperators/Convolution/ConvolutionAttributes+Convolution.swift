import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The common part of Conv and FusedConv.
extension ConvolutionAttributes {
  /// Checks image, weights and bias, and sets the output's type.
  func inferConvolution(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let image = try context.shape(0)
    let weights = try context.shape(1)
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
    try checkBias(context, 2, channels: weights[0])
    let spatialRank = image.count - 2
    let spatial = try (0..<spatialRank).map { axis in
      try Dimension.combine(image[axis + 2], kernel[axis]) { input, kernel in
        try outputExtent(axis, rank: spatialRank, input: input, kernel: kernel)
      }
    }
    context.setOutput(0, elementType, [image[0], weights[0]] + spatial)
  }

  /// The extents of the kernel, from weights whose rank must be known.
  func checkedKernel(weights: [Dimension], imageRank: Int) throws -> [Dimension] {
    guard weights.count == imageRank else {
      throw GraftError.badData("weights have rank \(weights.count); the image has \(imageRank)")
    }
    try checkSpatialRank(imageRank - 2)
    return try weights.dropFirst(2).enumerated().map { axis, extent in
      guard let known = extent.known else {
        return kernelShape.map { .known($0[axis]) } ?? extent
      }
      guard known >= 1, known <= ConvolutionAttributes.largest else {
        throw GraftError.badData("a kernel of shape \(weights) cannot be used")
      }
      if let expected = kernelShape?[axis], expected != known {
        throw GraftError.badData(
          "attribute 'kernel_shape' says \(expected) along spatial axis \(axis); the weights "
            + "have \(known)")
      }
      return extent
    }
  }

  func checkBias(
    _ context: InferenceContext, _ index: Int, channels: Dimension
  ) throws {
    guard context.hasInput(index), let bias = try context.input(index).shape else { return }
    guard bias.count == 1 else {
      throw GraftError.badData("the bias has rank \(bias.count); expected 1")
    }
    if let count = bias[0].known, let channels = channels.known, count != channels {
      throw GraftError.badData("the bias has \(count) elements; expected \(channels)")
    }
  }

  func prepareConvolution(
    _ context: PrepareContext, residual: Int?, activation: FusedActivation
  ) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float) {
        try prepareConvolution($0, residual: residual, activation: activation)
      }
    }
    var problem = try ConvolutionProblem.convolution(
      self, image: try context.input(0).shape, weights: try context.input(1).shape,
      output: try context.output(0).shape)
    problem.inputs.bias = context.hasInput(2) ? 2 : nil
    problem.inputs.residual = residual
    problem.activation = activation
    return try problem.kernel(context)
  }
}
