import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradients of ``STFT``.
///
/// Inputs: dy, then those of STFT. Outputs: the gradients of signal and window. The attributes are
/// those of STFT.
struct STFTGradient: Operator {
  static let schema = OperatorSchema(
    "STFTGradient", domain: "graft", since: [1], inputs: 3...5, outputs: 1...2)

  private let isOneSided: Bool

  init(_ attributes: AttributeReader) throws {
    isOneSided = try attributes.flag("onesided", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 3])
    let elementType = try context.elementType(1)
    context.setOutput(0, elementType, nil)
    context.setOutput(1, elementType, nil)
    let shape = try SignalFrames.outputShape(isOneSided: isOneSided, signal: 1, &context)
    try context.requireShape(0, shape)
    context.setOutput(0, elementType, try context.shape(1))
    if context.outputCount > 1, context.wantedOutputs[1] {
      context.setOutput(1, elementType, try context.shape(3))
    }
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
    let frames = try SignalFrames(isOneSided: isOneSided, signal: 1, context)
    let operation = FourierOperation(
      form: .general(isInputComplex: true, isOutputComplex: frames.isComplex),
      length: frames.frameLength, isInverse: true, scale: 1, inputCount: frames.pointCount,
      outputCount: frames.frameLength)
    let table = context.instructionSet.fourierTable(Element.self)
    let lines = FourierLines(
      blockCount: frames.batchSize, lineCount: frames.frameCount, input: frames.spectrumSteps,
      output: frames.frameSteps, points: frames.frameLength,
      vector: Int(table.pointee.lane_count))
    let kernel = try FourierKernel<Element>(operation, lines, context.instructionSet)
    let hasWindow = context.hasInput(3)
    let parts = frames.isComplex ? 2 : 1
    let (length, step, count) = (frames.frameLength, frames.step, frames.frameCount)
    let frameBlock = count * length * parts
    // The gradients of the frames are in scratch memory.
    var phases = [
      PreparedKernel.Phase.parallel(count: lines.groupCount, grain: kernel.grain) {
        arguments, groups in
        guard let scratch = arguments.workerScratch, let target = arguments.scratch else { return }
        for group in groups {
          kernel.run(
            group, arguments.input(0, as: Element.self),
            target.assumingMemoryBound(to: Element.self), scratch: scratch)
        }
      },
      PreparedKernel.Phase.parallel(count: frames.batchSize * frames.signalLength, grain: 1024) {
        arguments, positions in
        guard let scratch = arguments.scratch else { return }
        let gradients = UnsafePointer(scratch.assumingMemoryBound(to: Element.self))
        let window = hasWindow ? arguments.input(3, as: Element.self) : nil
        let target = arguments.output(0, as: Element.self)
        for position in positions {
          let (batch, place) = position.quotientAndRemainder(dividingBy: frames.signalLength)
          let first = place < length ? 0 : (place - length) / step + 1
          let last = min(count - 1, place / step)
          for part in 0..<parts {
            var sum = 0.0
            for frame in stride(from: first, through: last, by: 1) {
              let index = place - frame * step
              let gradient = gradients[
                batch * frameBlock + (frame * length + index) * parts + part]
              sum += Double(gradient) * (window.map { Double($0[index]) } ?? 1)
            }
            target[position * parts + part] = Element(sum)
          }
        }
      },
    ]
    if hasWindow, context.hasOutput(1) {
      phases.append(
        .parallel(count: length, grain: max(1, 1024 / (frames.batchSize * count + 1))) {
          arguments, indices in
          guard let scratch = arguments.scratch else { return }
          let gradients = UnsafePointer(scratch.assumingMemoryBound(to: Element.self))
          let signal = arguments.input(1, as: Element.self)
          let target = arguments.output(1, as: Element.self)
          for index in indices {
            var sum = 0.0
            for batch in 0..<frames.batchSize {
              for frame in 0..<count {
                let place = batch * frames.signalLength + frame * step + index
                let from = batch * frameBlock + (frame * length + index) * parts
                for part in 0..<parts {
                  sum += Double(gradients[from + part]) * Double(signal[place * parts + part])
                }
              }
            }
            target[index] = Element(sum)
          }
        })
    }
    let (elements, overflows) = frames.batchSize.multipliedReportingOverflow(by: frameBlock)
    guard !overflows, elements < 1 << 48 else {
      throw GraftError(.operatingSystem, "the frames need too much memory")
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: elements * MemoryLayout<Element>.stride,
      workerScratchByteCount: kernel.scratchByteCount)
  }

  static var examples: [OperatorExample] {
    let signal = Tensor.floats([1, 2, -1, 3], [1, 4, 1])
    let dy = Tensor.floats([1, 0, 2, 0, 0, 1, 1, 0, -1, 0, 0, 0], [1, 3, 2, 2])
    return [
      OperatorExample(
        "frames of two points",
        inputs: [dy, signal, .example([Int64(1)], []), .floats([1, 0.5], [2])],
        outputs: [.floats([3, 0.5, -1.5, -0.5], [1, 4, 1]), .floats([6, -4], [2])])
    ]
  }
}
