/// Where a run stands: with the weights, all that continuing it takes.
package struct RunState: Sendable, Codable, Hashable {
  /// From 0.
  package var phase = 0
  package var epoch = 0
  /// Batches of the current epoch that were done.
  package var batch = 0
  /// Steps of the current phase that were done.
  package var step = 0
  /// Sums over the current epoch so far.
  package var lossSum = 0.0
  package var correctCount = 0
  package var imageCount = 0
  package var seconds = 0.0
  /// What the phase's schedule took note of.
  package var schedule: ScheduleMemory?
  package var history: [EpochRecord] = []
  /// How each finished phase did on the test images, if there are any.
  package var phaseResults: [PhaseResult] = []
  /// Bytes of the log when this was written.
  package var logLengths: [String: Int] = [:]
  /// The SHA-256, hexadecimal, of which image is in which part; `nil` if a version wrote this that had none.
  package var splitDigest: String?
  /// The SHA-256, hexadecimal, of the network with its first weights; `nil` as above.
  package var networkDigest: String?
  /// How images are prepared, as metadata of networks say it; `nil` as above.
  package var preparation: [String: String]?
  /// That another way to prepare images seemed better than the assumed one, if it did.
  package var preparationRemark: String?

  /// What a phase came to.
  package struct PhaseResult: Sendable, Codable, Hashable {
    /// From 1.
    package var phase: Int
    package var loss: Double
    package var accuracy: Double
    package var count: Int
  }

  package init() {}

  mutating func startEpoch() {
    batch = 0
    lossSum = 0
    correctCount = 0
    imageCount = 0
    seconds = 0
  }
}
