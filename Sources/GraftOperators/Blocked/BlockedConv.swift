import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Convolution of images with channels in blocks of 16, fused with the operators after it.
///
/// Inputs: image [N, C / 16, H, W, 16] (or [N, C, H, W] if `planar_input` is set), weights [M, C /
/// group, kH, kW], bias [M] (optional), residual of the shape of the result (optional). Output: [N,
/// M / 16, oH, oW, 16]. Attributes are those of Conv; `activation` and `activation_params` as
/// FusedConv has them; `pools` takes the largest of each 2 x 2 square of the result.
/// Specification: <https://onnx.ai/onnx/operators/onnx__Conv.html>
package struct BlockedConv: Operator {
  package static let schema = OperatorSchema(
    "BlockedConv", domain: "graft", since: [1], inputs: 2...4)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true

  let convolution: FusedConv
  let isPlanar: Bool
  let pools: Bool

  package init(_ attributes: AttributeReader) throws {
    convolution = try FusedConv(attributes)
    isPlanar = try attributes.value(.planarInput) ?? false
    pools = try attributes.value(.pools) ?? false
  }

  /// Whether the kernels support a convolution with such weights, [M, C / group, kH, kW], and are
  /// the fastest. Groups of few output channels would mostly be multiplied by zeros, and so would
  /// odd groups of few input channels.
  package static func accepts(weights: Shape, groupCount: Int, isPlanar: Bool) -> Bool {
    guard weights.count == 4, weights.elementCount > 0, weights[0] % groupCount == 0 else {
      return false
    }
    guard groupCount > 1 else { return true }
    let rows = weights[0] / groupCount
    let groupsOfPanel = (channelBlock + rows - 1) / rows
    return !isPlanar && groupsOfPanel <= 4
      && (weights[1] % 2 == 0 || weights[1] * groupsOfPanel >= channelBlock / 2)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float])
    try context.requireSameElementType([0, 1, 2, 3])
    context.setOutput(0, .float, nil)
    let weights = try context.shape(1)
    guard weights.count == 4, let rows = weights[0].known, let perGroup = weights[1].known else {
      throw GraftError.badData("weights of shape \(weights) must be known, and of rank 4")
    }
    let (channels, overflow) = perGroup.multipliedReportingOverflow(
      by: convolution.attributes.groupCount)
    guard !overflow else {
      throw GraftError.badData("weights of shape \(weights) cannot be used")
    }
    let residual = (input: 3, channels: Dimension.known(rows))
    let image = (input: 0, channels: Dimension.known(channels))
    try context.inferBlocked(isPlanar ? [residual] : [image, residual], convolution.infer)
    guard pools, var shape = context.outputTypes[0]?.tensor?.shape else { return }
    for axis in 2...3 { shape[axis] = shape[axis].map { $0 / 2 } }
    context.setOutput(0, .float, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    guard output.elementCount > 0 else { return .tasks(0) { _, _ in } }
    let weights = try context.input(1).shape
    guard
      BlockedConv.accepts(
        weights: weights, groupCount: convolution.attributes.groupCount, isPlanar: isPlanar)
    else { throw GraftError.unsupported("blocked convolution with weights of shape \(weights)") }
    let problem = try BlockedConvolutionProblem(self, context)
    let instructionSet = context.instructionSet
    let (algorithm, choice) = BlockedConvolutionAlgorithm.choose(for: problem, context)
    var kernel: PreparedKernel
    switch algorithm {
    case .winograd(let tileExtent, let scheme):
      kernel = try WinogradConvolution(
        problem, tileExtent: tileExtent, scheme: scheme, context
      ).kernel()
    case .directNarrow:
      let narrow = BlockedProduct(instructionSet, context.bfloat16Instructions)
      kernel = try DirectConvolution(
        problem, narrow ?? BlockedProduct(instructionSet), context
      ).kernel()
    case .direct:
      kernel = try DirectConvolution(problem, BlockedProduct(instructionSet), context).kernel()
    }
    kernel.choice = choice
    return kernel
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    let kernel = Tensor.floats([1, 0, 0, -1], [1, 1, 2, 2])
    func blocked(_ values: [Float]) -> [Float] {
      values.flatMap { [$0] + [Float](repeating: 0, count: 15) }
    }
    return [
      OperatorExample(
        "planar image, residual and Relu",
        attributes: ["activation": .string(Relu.schema.name), "planar_input": .int(1)],
        inputs: [
          image, kernel, .floats([1], [1]), .floats(blocked([1, 2, 5, 6]), [1, 1, 2, 2, 16]),
        ],
        outputs: [.floats(blocked([0, 0, 2, 3]), [1, 1, 2, 2, 16])]),
      OperatorExample(
        "no activation",
        inputs: [.floats(blocked([1, 2, 3, 4, 5, 6, 7, 8, 9]), [1, 1, 3, 3, 16]), kernel],
        outputs: [.floats(blocked([-4, -4, -4, -4]), [1, 1, 2, 2, 16])]),
    ]
  }
}

extension AttributeKey<Bool> {
  /// Whether the input of a BlockedConv is an ordinary image.
  package static var planarInput: Self { Self("planar_input") }

  /// Whether a BlockedConv takes the largest of each 2 x 2 square of its result.
  package static var pools: Self { Self("pools") }
}
