import GraftTraining

/// Stops a run when it is asked for the given time, which it is after each step.
final class StoppingObserver: TrainingObserver {
  private let limit: Int
  private var count = 0

  init(after limit: Int) { self.limit = limit }

  var isInterrupted: Bool {
    count += 1
    return count >= limit
  }
}
