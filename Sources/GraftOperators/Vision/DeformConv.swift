import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Convolution that reads its input at positions moved by offsets, with linear interpolation.
///
/// Inputs: X `[N, C, D1, …, Dr]`, W `[M, C / group, K1, …, Kr]`, offset `[N, offset_group · K · r,
/// O1, …, Or]` where K is the product of the kernel's extents, bias `[M]`, mask `[N, offset_group ·
/// K, O1, …, Or]`. Output `[N, M, O1, …, Or]`. Positions outside of X read 0.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__DeformConv.html>
struct DeformConv: Operator {
  static let schema = OperatorSchema("DeformConv", since: [19, 22], sameSince: 19, inputs: 3...5)
  static let flushesSubnormals = true
  static let isLaborious = true
  static let weightInputs = [1, 3]
  static let isWeightedSum = true

  private let attributes: DeformableAttributes

  init(_ attributes: AttributeReader) throws {
    self.attributes = try DeformableAttributes(attributes)
  }

  static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard inputs.count > 1, let weights = inputs[1], let output else { return nil }
    return output.elementCount * weights.dropFirst().reduce(1, *)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType(Array(0..<context.inputCount))
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try attributes.outputShape(
      &context, .init(image: 0, weights: 1, offsets: 2, mask: 4))
    if context.hasInput(3) { try context.requireShape(3, [shape[1]]) }
    context.setOutput(0, elementType, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.input(0).elementType {
    case .float: return try kernel(Float.self, context)
    case .double: return try kernel(Double.self, context)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func kernel<Element: RealElement>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let element = Int(try Element.elementType.requireKernelElement())
    let instructionSet = context.instructionSet
    let sampling = DeformableSampling(
      attributes, image: try context.input(0).shape, weights: try context.input(1).shape,
      output: try context.output(0).shape)
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    // The unrolled input of a tile of positions should stay in the L2 cache.
    let depth = sampling.channels * sampling.tapCount
    let width = max(16, min(256, (1 << 17) / max(1, depth) / 16 * 16))
    let tile = min(width, sampling.positionCount)
    let tileCount = (sampling.positionCount + tile - 1) / tile
    let rows = sampling.rowsPerGroup
    let groupDepth = sampling.channelsPerGroup * sampling.tapCount
    let columnBytes = (depth * tile * MemoryLayout<Element>.stride + 63) / 64 * 64
    let productBytes = instructionSet.kernels.pointee.gemm[element].pointee
      .scratch_byte_count(rows, tile, groupDepth)
    let cornerBytes = (sampling.cornerByteCount(Element.self, positions: tile) + 63) / 64 * 64
    let hasMask = context.hasInput(4)
    let bias = context.hasInput(3) ? 3 : nil
    return .tasks(
      sampling.imageCount * tileCount,
      workerScratchByteCount: columnBytes + cornerBytes + productBytes
    ) { arguments, task in
      guard let scratch = arguments.workerScratch else { return }
      let (image, part) = task.quotientAndRemainder(dividingBy: tileCount)
      let first = part * tile
      let count = min(tile, sampling.positionCount - first)
      let columns = scratch.assumingMemoryBound(to: Element.self)
      sampling.unroll(
        image: image, positions: first..<(first + count),
        x: arguments.input(0, as: Element.self), offsets: arguments.input(2, as: Element.self),
        mask: hasMask ? arguments.input(4, as: Element.self) : nil, to: columns,
        corners: scratch + columnBytes)
      for group in 0..<sampling.groupCount {
        var problem = graft_gemm_problem()
        problem.rows = rows
        problem.columns = count
        problem.depth = groupDepth
        problem.a = UnsafeRawPointer(
          arguments.input(1, as: Element.self) + group * rows * groupDepth)
        problem.a_row_stride = groupDepth
        problem.a_depth_stride = 1
        problem.b = UnsafeRawPointer(columns + group * groupDepth * count)
        problem.b_depth_stride = count
        problem.b_column_stride = 1
        let plane = image * sampling.groupCount * rows + group * rows
        problem.c = UnsafeMutableRawPointer(
          arguments.output(0, as: Element.self) + plane * sampling.positionCount + first)
        problem.c_row_stride = sampling.positionCount
        if let bias {
          problem.row_addend = UnsafeRawPointer(
            arguments.input(bias, as: Element.self) + group * rows)
          problem.row_addend_stride = 1
        }
        problem.alpha = 1
        problem.beta = 1
        problem.activation = FusedActivation.identity.parameters
        instructionSet.kernels.pointee.gemm[element].pointee.product(
          &problem, 0, rows, 0, count, scratch + columnBytes + cornerBytes)
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let dy = try builder.outputGradient()
    let mask = builder.node.inputs.count > 4 ? builder.node.inputs[4] : nil
    if [0, 1, 2, 4].contains(where: { builder.needs($0) }) {
      let gradients = builder.add(
        "DeformConvGradient", domain: "graft",
        [dy, try builder.input(0), try builder.input(1), try builder.input(2), mask],
        attributes: builder.node.attributes, outputCount: mask == nil ? 3 : 4)
      for (input, gradient) in zip([0, 1, 2, 4], gradients) where builder.needs(input) {
        builder.setInputGradient(input, gradient)
      }
    }
    guard builder.needs(3) else { return }
    let bias = try builder.input(3)
    // One element for each channel: the sum over all other axes.
    let rank = builder.type(of: try builder.input(1))?.shape?.count ?? 4
    let axes = try builder.addIntegers([0] + Array(2..<max(2, rank)))
    let sum = builder.add("ReduceSum", [dy, axes], attributes: ["keepdims": .int(0)])
    builder.setInputGradient(3, builder.add("Reshape", [sum, builder.add("Shape", [bias])]))
  }

  static var examples: [OperatorExample] {
    let image = Tensor.floats([0, 1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 3, 3])
    let offsets: [Float] = [
      0.5, 0, 0, 0.25, 0.25, 0.25, -0.25, 0, 0, 0, 0.5, 0.25, -0.5, 0.25, 0.25, 0.75,
    ]
    return [
      OperatorExample(
        "bias and mask", attributes: ["kernel_shape": .ints([2, 1])],
        inputs: [
          image, .floats([1, -2], [1, 1, 2, 1]),
          .floats(
            [
              0.5, 0.25, 0.125, 0.75, 0.25, 0.375, -0.25, 0.25, 0.125, 0.5, 0.25, 0.75, 0.125,
              0.25, 0.375, 0.625, 0.25, -0.125, 0.25, 1.25, 2.25, 0.375, 0.625, 0.75,
            ], [1, 4, 2, 3]),
          .floats([0.5], [1]),
          .floats([1, 0.5, 0.25, 2, 1, 0.5, -1, 0.75, 0.5, 0.25, 1, 2], [1, 2, 2, 3]),
        ],
        outputs: [
          .floats([8.875, -4.96875, 1.0195312, 10.8046875, -5.9375, -6.359375], [1, 1, 2, 3])
        ], differentiableInputs: [0, 1, 2, 3, 4]),
      OperatorExample(
        "two groups, two groups of offsets, padding and strides",
        attributes: [
          "group": .int(2), "offset_group": .int(2), "pads": .ints([1, 0, 0, 1]),
          "strides": .ints([2, 2]), "dilations": .ints([1, 1]),
        ],
        inputs: [
          .floats((0..<18).map { Float(($0 * 5) % 7) - 2.5 }, [1, 2, 3, 3]),
          .floats([1, 0.5, -1, 2, 0.25, 1, -0.5, 1.5], [2, 1, 2, 2]),
          .floats((0..<64).map { Float(($0 * 7) % 11) / 8 - 0.4375 }, [1, 16, 2, 2]),
        ],
        outputs: [
          .floats(
            [
              1.8554688, -0.7216797, 0.453125, 0.6484375, -1.4453125, -0.6220703, 0.24511719,
              -0.3955078,
            ], [1, 2, 2, 2])
        ], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "no offsets is a convolution",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [1, 1, 6]), .floats([1, 0, -1], [1, 1, 3]),
          .floats([Float](repeating: 0, count: 12), [1, 3, 4]),
        ],
        outputs: [.floats([-2, -2, -2, -2], [1, 1, 4])], differentiableInputs: [1]),
      OperatorExample(
        "without mask and bias",
        inputs: [
          image, .floats([1, 1, 1, 1], [1, 1, 2, 2]), .floats(offsets + offsets, [1, 8, 2, 2]),
        ],
        outputs: [.floats([10.5, 10.75, 16.125, 12.9375], [1, 1, 2, 2])]),
    ]
  }
}
