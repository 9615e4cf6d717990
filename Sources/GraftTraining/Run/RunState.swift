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
  package var pictureCount = 0
  package var seconds = 0.0
  package var history: [EpochRecord] = []
  /// Bytes of the log when this was written.
  package var logLengths: [String: Int] = [:]

  package init() {}

  mutating func startEpoch() {
    batch = 0
    lossSum = 0
    correctCount = 0
    pictureCount = 0
    seconds = 0
  }
}
