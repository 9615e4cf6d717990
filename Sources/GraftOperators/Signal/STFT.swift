import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Fourier transforms of a window that slides along a signal.
///
/// Inputs: signal `[N, L, 1]` (real) or `[N, L, 2]` (complex), frame step, window `[frame length]`,
/// frame length. Output `[N, frames, frame length, 2]`; with `onesided`, the default, `[N, frames,
/// frame length / 2 + 1, 2]`.
///
/// The specification says that one-sided outputs of complex signals are not possible. Its reference
/// implementation and onnxruntime give the first half of the points, and so does this.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__STFT.html>
struct STFT: Operator {
  static let schema = OperatorSchema("STFT", since: [17], inputs: 2...4)

  private let isOneSided: Bool

  init(_ attributes: AttributeReader) throws {
    isOneSided = try attributes.flag("onesided", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    if context.hasInput(2) { try context.requireSameElementType([0, 2]) }
    let shape = try SignalFrames.outputShape(isOneSided: isOneSided, signal: 0, &context)
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
    let frames = try SignalFrames(isOneSided: isOneSided, signal: 0, context)
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let operation = FourierOperation(
      form: frames.isComplex
        ? .general(isInputComplex: true, isOutputComplex: true) : .fromReal,
      length: frames.frameLength, isInverse: false, scale: 1, inputCount: frames.frameLength,
      outputCount: frames.pointCount)
    let table = context.instructionSet.fourierTable(Element.self)
    let lines = FourierLines(
      blockCount: frames.batchSize, lineCount: frames.frameCount, input: frames.signalSteps,
      output: frames.spectrumSteps, points: frames.frameLength,
      vector: Int(table.pointee.lane_count))
    let kernel = try FourierKernel<Element>(operation, lines, context.instructionSet)
    let hasWindow = context.hasInput(2)
    return PreparedKernel.parallel(
      count: lines.groupCount, grain: kernel.grain,
      workerScratchByteCount: kernel.scratchByteCount
    ) { arguments, groups in
      guard let scratch = arguments.workerScratch else { return }
      for group in groups {
        kernel.run(
          group, arguments.input(0, as: Element.self), arguments.output(0, as: Element.self),
          window: hasWindow ? arguments.input(2, as: Element.self) : nil, scratch: scratch)
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let hasWindow = builder.node.inputs.count > 2 && builder.node.inputs[2] != nil
    let gradients = builder.add(
      "STFTGradient", domain: "graft", [try builder.outputGradient()] + builder.node.inputs,
      attributes: builder.node.attributes, outputCount: hasWindow ? 2 : 1)
    if builder.needs(0) { builder.setInputGradient(0, gradients[0]) }
    if hasWindow, builder.needs(2) { builder.setInputGradient(2, gradients[1]) }
  }

  static var examples: [OperatorExample] {
    let signal = Tensor.floats([1, 2, -1, 3, 0.5, -2, 1, 0], [1, 8, 1])
    return [
      OperatorExample(
        "a window",
        inputs: [signal, .example([Int64(2)], []), .floats([0.5, 1, 1, 0.25], [4])],
        outputs: [
          .floats(
            [
              2.25, 0, 1.5, -1.25, -3.25, 0, 2.5, 0, -1, -3.5, -2.5, 0, -0.75, 0, -0.75, 2,
              3.25, 0,
            ], [1, 3, 3, 2])
        ], differentiableInputs: [0, 2]),
      OperatorExample(
        "both sides, without a window", attributes: ["onesided": .int(0)],
        inputs: [signal, .example([Int32(4)], [1]), nil, .example([Int32(3)], [])],
        outputs: [
          .floats(
            [
              2, 0, 0.5, -2.5980762, 0.5, 2.5980762, -0.5, 0, 1, 2.5980762, 1, -2.5980762,
            ], [1, 2, 3, 2])
        ], differentiableInputs: [0]),
      OperatorExample(
        "complex, the whole signal",
        inputs: [
          .floats([1, 2, -1, 3, 0.5, -2], [1, 3, 2]), .example([Int64(1)], []),
          .floats([1, 2, 1], [3]),
        ],
        outputs: [.floats([-0.5, 6, 8.6782032, 2.1650635], [1, 1, 2, 2])],
        differentiableInputs: [0, 2]),
    ]
  }
}
