import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``ConvolutionWeightGradient`` of images in the blocked layout, of one group.
///
/// Inputs: image [N, C / 16, H, W, 16], output gradient [N, M / 16, oH, oW, 16]. Output: [M, C, kH,
/// kW]. Attributes: those of Conv, and `weights_shape` (M, C, kH, kW).
///
/// 3 x 3 kernels with stride 1 use Winograd's algorithm in reverse: for each tile, the transforms
/// of the image and of the output gradient are multiplied pointwise and summed over all tiles, and
/// the sums are transformed back. Others are sums of outer products of pixels.
package struct BlockedConvWeightGradient: Operator {
  package static let schema = OperatorSchema(
    "BlockedConvWeightGradient", domain: "graft", since: [1], inputs: 2...2)
  package static let flushesSubnormals = true

  let attributes: ConvolutionAttributes
  let weights: Shape

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    weights = try attributes.value(.weightsShape) ?? []
    guard weights.count == 4, self.attributes.groupCount == 1 else {
      throw GraftError.badData(
        "weights of shape \(weights) in \(self.attributes.groupCount) groups")
    }
    try ConvolutionAttributes.check(weights, of: "the weights")
  }

  package func infer(_ context: inout InferenceContext) throws {
    try attributes.inferBlockedWeightGradient(&context, weights: weights)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let problem = WeightGradientProblem(
      attributes, weights: weights, image: try context.input(0).shape,
      gradient: try context.input(1).shape, context.instructionSet)
    if context.precision != .exact, let extent = problem.tileExtent {
      return try WinogradWeightGradient(problem, tileExtent: extent).kernel()
    }
    return problem.directKernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one tap, two images", attributes: ["weights_shape": .ints([1, 1, 1, 1])],
        inputs: [
          .blocks([1, 2, 3, 4], [2, 1, 1, 2]), .blocks([1, -1, 2, 1], [2, 1, 1, 2]),
        ],
        outputs: [.floats([9], [1, 1, 1, 1])]),
      OperatorExample(
        "3 x 3 of a single pixel",
        attributes: ["weights_shape": .ints([1, 1, 3, 3]), "pads": .ints([1, 1, 1, 1])],
        inputs: [
          .blocks([1, 2, 3, 4], [1, 1, 2, 2]), .blocks([2, 0, 0, 0], [1, 1, 2, 2]),
        ],
        outputs: [.floats([0, 0, 0, 0, 2, 4, 0, 6, 8], [1, 1, 3, 3])]),
    ]
  }
}

extension AttributeKey<[Int]> {
  /// The shape of the weights whose gradient a node in blocks computes.
  package static var weightsShape: Self { Self("weights_shape") }
}

extension ConvolutionAttributes {
  /// Infers the gradient of weights [M, C / group, kH, kW] of an image (input 0) and an output
  /// gradient (input 1) in the blocked layout.
  func inferBlockedWeightGradient(_ context: inout InferenceContext, weights: Shape) throws {
    let channels = Dimension.known(weights[1] * groupCount)
    let weights = [Dimension](weights)
    context.setOutput(0, .float, weights)
    let image = try context.blockedShape(0)
    let gradient = try context.blockedShape(1)
    try context.requireBlocks(image[1], of: 0, holding: channels)
    try context.requireBlocks(gradient[1], of: 1, holding: weights[0])
    _ = try checkedKernel(weights: weights, imageRank: 4)
    try checkGradient(
      [gradient[0], weights[0], gradient[2], gradient[3]],
      image: [image[0], channels, image[2], image[3]], weights: weights)
  }
}

/// Extents of a weight gradient, for the kernels in C.
struct WeightGradientProblem: Sendable {
  let instructionSet: InstructionSet
  let weights: Shape
  let image: Shape
  let gradient: Shape
  let stride: [Int]
  let dilation: [Int]
  let padding: [Int]

  init(
    _ attributes: ConvolutionAttributes, weights: Shape, image: Shape, gradient: Shape,
    _ instructionSet: InstructionSet
  ) {
    self.instructionSet = instructionSet
    self.weights = weights
    self.image = image
    self.gradient = gradient
    stride = (0..<2).map { attributes.stride($0) }
    dilation = (0..<2).map { attributes.dilation($0) }
    padding = (0..<2).map {
      attributes.padding($0, rank: 2, input: image[$0 + 2], kernel: weights[$0 + 2]).begin
    }
  }

  var inputBlocks: Int { image[1] }
  var outputBlocks: Int { gradient[1] }

  func tileCount(_ extent: Int) -> Int {
    image[0] * ((gradient[2] + extent - 1) / extent) * ((gradient[3] + extent - 1) / extent)
  }

  /// The Winograd tile extent with the fewest multiplications; `nil` if Winograd does not apply.
  /// Depends only on shapes.
  var tileExtent: Int? {
    guard weights[2...] == [3, 3], stride == [1, 1], dilation == [1, 1], image[0] > 0,
      gradient[2] * gradient[3] > 0
    else { return nil }
    return [4, 2].min { left, right in
      tileCount(left) * (left + 2) * (left + 2) < tileCount(right) * (right + 2) * (right + 2)
    }
  }

  /// - Parameter tileExtent: of Winograd's tiles
  func withDescription<Result>(
    _ arguments: KernelArguments, tileExtent: Int = 4,
    _ body: (UnsafePointer<graft_weight_gradient_problem>) -> Result
  ) -> Result {
    description(
      tileExtent, arguments.input(0, as: Float.self), arguments.input(1, as: Float.self), body)
  }

  /// Without images, for properties that depend only on extents.
  func withExtents<Result>(
    tileExtent: Int = 4, _ body: (UnsafePointer<graft_weight_gradient_problem>) -> Result
  ) -> Result {
    description(tileExtent, nil, nil, body)
  }

  private func description<Result>(
    _ tileExtent: Int, _ input: UnsafePointer<Float>?, _ outputGradient: UnsafePointer<Float>?,
    _ body: (UnsafePointer<graft_weight_gradient_problem>) -> Result
  ) -> Result {
    let table = instructionSet.kernels.pointee.blocked
    var problem = graft_weight_gradient_problem()
    problem.table = table
    problem.form = table.pointee.winograd + (tileExtent == 2 ? 0 : 1)
    problem.image_count = image[0]
    (problem.input_channels, problem.output_channels) = (weights[1], weights[0])
    (problem.input_blocks, problem.output_blocks) = (inputBlocks, outputBlocks)
    (problem.input_height, problem.input_width) = (image[2], image[3])
    (problem.output_height, problem.output_width) = (gradient[2], gradient[3])
    (problem.pad_top, problem.pad_left) = (padding[0], padding[1])
    (problem.kernel_height, problem.kernel_width) = (weights[2], weights[3])
    (problem.row_stride, problem.column_stride) = (stride[0], stride[1])
    (problem.row_dilation, problem.column_dilation) = (dilation[0], dilation[1])
    problem.input = input
    problem.output_gradient = outputGradient
    return withUnsafePointer(to: problem, body)
  }

  /// A task computes one block of input channels and some of output channels, for all images.
  func directKernel() -> PreparedKernel {
    let columns = instructionSet.kernels.pointee.blocked.pointee.outer_product.maximum_column_blocks
    let columnTasks = (outputBlocks + columns - 1) / columns
    let scratchCount = withExtents { graft_weight_gradient_direct_count($0) }
    let phase = PreparedKernel.Phase(taskCount: inputBlocks * columnTasks) {
      [self] arguments, task in
      guard let scratch = arguments.workerScratch?.assumingMemoryBound(to: Float.self) else {
        return
      }
      let (input, column) = task.quotientAndRemainder(dividingBy: columnTasks)
      withDescription(arguments) {
        graft_weight_gradient_direct(
          $0, input, column * columns, scratch, arguments.output(0, as: Float.self))
      }
    }
    return PreparedKernel(
      phases: [phase], workerScratchByteCount: scratchCount * MemoryLayout<Float>.size)
  }
}
