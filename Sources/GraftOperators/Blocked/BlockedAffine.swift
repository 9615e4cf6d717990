import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// activation(X · scale + shift) with a scale and shift per channel, of a blocked image: a
/// BatchNormalization with given statistics.
///
/// Inputs: image [N, ceil(C / 16), H, W, 16], scale [C], shift [C]. `activation` and
/// `activation_params` are those of ``FusedConv``.
package struct BlockedAffine: Operator {
  package static let schema = OperatorSchema(
    "BlockedAffine", domain: "graft", since: [1], inputs: 3...3)

  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    try context.requireSameElementType([0, 1, 2])
    let scale = try context.shape(1)
    guard scale.count == 1 else {
      throw GraftError.badData("input 1 has shape \(scale); expected one scale for each channel")
    }
    try context.requireShapeAgrees(2, scale)
    try context.requireBlocks(image[1], holding: scale[0])
    context.setBlockedOutput(image)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (blocks, width) = (shape[1], shape[3])
    let planeSize = shape[2] * width * channelBlock
    let activation = activation.parameters
    let layers = context.blockedLayers
    var scratch = ScratchLayout()
    let scale = try PackedOperand.channels(input: 1, scratch: &scratch, context)
    let shift = try PackedOperand.channels(input: 2, scratch: &scratch, context)
    let phase = BlockedRows(planeCount: shape[0] * blocks, rowCount: shape[2]).phase(
      workPerRow: width * 4
    ) { arguments, plane, rows in
      guard let scale = scale.pointer(arguments), let shift = shift.pointer(arguments) else {
        return
      }
      let channels = plane % blocks * channelBlock
      let start = plane * planeSize + rows.lowerBound * width * channelBlock
      withUnsafePointer(to: activation) { activation in
        layers.scale_positions(
          arguments.input(0, as: Float.self) + start,
          scale + channels, shift + channels, activation, rows.count * width,
          arguments.output(0, as: Float.self) + start)
      }
    }
    return PreparedKernel(
      phases: [scale.phase, shift.phase, phase].compactMap { $0 },
      scratchByteCount: scratch.byteCount, inPlaceInputs: [0])
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.blocks([1, 2, 3, 4, 5, 6], [1, 2, 1, 3])
    let (scale, shift) = (Tensor.floats([2, -1], [2]), Tensor.floats([-3, 5], [2]))
    return [
      OperatorExample(
        "no activation", inputs: [image, scale, shift],
        outputs: [.blocks([-1, 1, 3, 1, 0, -1], [1, 2, 1, 3])]),
      OperatorExample(
        "Relu", attributes: ["activation": .string(Relu.schema.name)],
        inputs: [image, scale, shift],
        outputs: [.blocks([0, 1, 3, 1, 0, 0], [1, 2, 1, 3])]),
      OperatorExample(
        "LeakyRelu",
        attributes: [
          "activation": .string(LeakyRelu.schema.name), "activation_params": .floats([0.5]),
        ],
        inputs: [image, scale, shift],
        outputs: [.blocks([-0.5, 1, 3, 1, 0, -0.5], [1, 2, 1, 3])]),
    ]
  }
}
