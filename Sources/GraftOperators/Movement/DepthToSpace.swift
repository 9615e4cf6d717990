import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Moves blocks of channels into blocks of pixels, `[N, C·b², H, W]` to `[N, C, H·b, W·b]`.
///
/// In mode `DCR` the block is the outer part of the channels, in `CRD` the inner.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>
struct DepthToSpace: Operator {
  static let schema = OperatorSchema(
    "DepthToSpace", since: [1, 11, 13, 28], sameSince: 1, inputs: 1...1)
  static let acceptsUnalignedInputs = true
  static let widening = Widening.isExact
  package static let onlyMoves = true

  let blocks: DepthBlocks

  init(_ attributes: AttributeReader) throws { blocks = try DepthBlocks(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, Array(repeating: .unknown, count: 4))
    let shape = try context.shape(0)
    try blocks.checkRank(shape.count)
    context.setOutput(
      0, elementType,
      [
        shape[0],
        try shape[1].map { try blocks.quotient($0, by: blocks.size * blocks.size, "channels") },
        try [shape[2], .known(blocks.size)].product(),
        try [shape[3], .known(blocks.size)].product(),
      ])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      return .reordering(
        ElementCopy(
          from: .input(0), width: input.elementType.byteWidth,
          axes: blocks.axes(spatial: try context.output(0).shape).map {
            .init(
              extent: $0.extent, sourceStride: $0.depthStride, destinationStride: $0.spatialStride)
          }), inputByteCount: input.byteCount)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "SpaceToDepth", [try builder.outputGradient()], attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let channels = Tensor.floats((0..<16).map(Float.init), [1, 8, 1, 2])
    return [
      OperatorExample(
        "depth first", attributes: ["blocksize": .int(2)], inputs: [channels],
        outputs: [
          .floats([0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15], [1, 2, 2, 4])
        ], differentiableInputs: [0]),
      OperatorExample(
        "columns first", attributes: ["blocksize": .int(2), "mode": .string("CRD")],
        inputs: [channels],
        outputs: [
          .floats([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15], [1, 2, 2, 4])
        ], differentiableInputs: [0]),
    ]
  }
}
