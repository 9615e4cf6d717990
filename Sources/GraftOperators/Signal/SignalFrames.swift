import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// How ``STFT`` cuts a signal of known shape into frames.
///
/// The inputs after the signal are frame step, window and frame length.
struct SignalFrames: Sendable {
  let batchSize: Int
  let signalLength: Int
  let isComplex: Bool
  let step: Int
  let frameLength: Int
  let frameCount: Int
  /// The points of a frame's transform that are wanted.
  let pointCount: Int

  init(isOneSided: Bool, signal: Int, _ context: PrepareContext) throws {
    let shape = try context.input(signal).shape
    (batchSize, signalLength, isComplex) = (shape[0], shape[1], shape[2] == 2)
    step = try (context.integers(signal + 1) ?? []).requiredFirst("frame_step")
    let window = context.hasInput(signal + 2) ? try context.input(signal + 2).shape[0] : nil
    frameLength = try context.integers(signal + 3)?.first ?? window ?? signalLength
    frameCount = try Self.frameCount(signalLength, frameLength, step)
    pointCount = isOneSided ? frameLength / 2 + 1 : frameLength
  }

  static func outputShape(
    isOneSided: Bool, signal: Int, _ context: inout InferenceContext
  ) throws -> [Dimension] {
    for index in [signal + 1, signal + 3] where context.hasInput(index) {
      try context.require(index, [.int32, .int64])
      try context.requireOneElement(index)
    }
    let shape = try context.shape(signal)
    guard shape.count == 3, [nil, 1, 2].contains(shape[2].known) else {
      throw GraftError.badData(
        "input \(signal) has shape \(shape); expected [batch, length, 1] or [batch, length, 2]")
    }
    let step = try context.contents(signal + 1).integers().requiredFirst("frame_step")
    let given = try context.integers(signal + 3)?.first
    var frameLength = given.map(Dimension.known) ?? shape[1]
    if context.hasInput(signal + 2) {
      let window = try context.shape(signal + 2)
      guard window.count == 1, given == nil || window[0].isCompatible(with: frameLength) else {
        throw GraftError.badData(
          "input \(signal + 2) has shape \(window); expected the frame length"
            + (given.map { ", \($0)" } ?? ""))
      }
      frameLength = given == nil ? window[0] : frameLength
    }
    let frames = try Dimension.combine(shape[1], frameLength) { try frameCount($0, $1, step) }
    return [shape[0], frames, isOneSided ? frameLength.map { $0 / 2 + 1 } : frameLength, 2]
  }

  private static func frameCount(_ signalLength: Int, _ frameLength: Int, _ step: Int) throws -> Int
  {
    guard step > 0, frameLength > 0 else {
      throw GraftError.badData(
        "frames of \(frameLength) points, \(step) apart; expected positive numbers")
    }
    guard frameLength <= signalLength else {
      throw GraftError.badData(
        "a signal of \(signalLength) points is shorter than a frame of \(frameLength)")
    }
    return (signalLength - frameLength) / step + 1
  }

  private var parts: Int { isComplex ? 2 : 1 }

  /// Where the frames lie in the signal. Distances beyond the signal do not matter.
  var signalSteps: FourierLines.Steps {
    .init(
      block: signalLength * parts, line: min(step, signalLength) * parts, point: parts)
  }

  var spectrumSteps: FourierLines.Steps {
    .init(block: frameCount * pointCount * 2, line: pointCount * 2, point: 2)
  }

  /// Where frames lie one after the other.
  var frameSteps: FourierLines.Steps {
    .init(block: frameCount * frameLength * parts, line: frameLength * parts, point: parts)
  }
}
