import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Moves blocks of pixels into channels, `[N, C, H·b, W·b]` to `[N, C·b², H, W]`.
///
/// In mode `DCR` the block is the outer part of the channels, in `CRD` the inner.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>
struct SpaceToDepth: Operator {
  static let schema = OperatorSchema(
    "SpaceToDepth", since: [1, 13, 28], sameSince: 1, inputs: 1...1)
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
        shape[0], try [shape[1], .known(blocks.size), .known(blocks.size)].product(),
        try shape[2].map { try blocks.quotient($0, by: blocks.size, "height") },
        try shape[3].map { try blocks.quotient($0, by: blocks.size, "width") },
      ])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      return .reordering(
        ElementCopy(
          from: .input(0), width: input.elementType.byteWidth,
          axes: blocks.axes(spatial: input.shape).map {
            .init(
              extent: $0.extent, sourceStride: $0.spatialStride, destinationStride: $0.depthStride)
          }), inputByteCount: input.byteCount)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "DepthToSpace", [try builder.outputGradient()], attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let pixels = Tensor.floats((0..<16).map(Float.init), [1, 2, 2, 4])
    return [
      OperatorExample(
        "depth first", attributes: ["blocksize": .int(2)], inputs: [pixels],
        outputs: [
          .floats([0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15], [1, 8, 1, 2])
        ], differentiableInputs: [0]),
      OperatorExample(
        "columns first", attributes: ["blocksize": .int(2), "mode": .string("CRD")],
        inputs: [pixels],
        outputs: [
          .floats([0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15], [1, 8, 1, 2])
        ], differentiableInputs: [0]),
    ]
  }
}
