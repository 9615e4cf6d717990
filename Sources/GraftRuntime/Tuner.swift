import GraftExecution
import GraftTensor

/// Measures the alternative kernels of a model within the model, so that the caches are as in real
/// runs.
package struct Tuner {
  private let executable: Executable
  private let inputs: [RuntimeValue]
  /// Times of runs in nanoseconds, by problem and choice.
  private var times: [String: [String: [UInt64]]] = [:]
  private var choices: [String: KernelChoice] = [:]

  /// The number of measured runs of each candidate, in each of two rounds.
  private static let runCount = 4
  private static let roundCount = 2
  /// A candidate with larger rounding errors must be faster by this factor.
  private static let gain = 0.97

  /// - Parameter executable: of the model as it runs now; other choices have to beat its own
  package init(_ executable: Executable, inputs: [RuntimeValue]) {
    self.executable = executable
    self.inputs = inputs
  }

  /// The fastest choice for each problem of the model with these inputs.
  ///
  /// - Parameter progress: receives each candidate as text before it is measured
  /// - Throws: `GraftError` if the model does not run
  package mutating func tune(progress: (String) -> Void = { _ in }) throws -> TuningRecord {
    try measure(nil)
    var candidates: [String] = []
    for choice in choices.values.sorted(by: { $0.problem < $1.problem }) {
      for name in choice.candidates where !candidates.contains(name) { candidates.append(name) }
    }
    for round in 1...Tuner.roundCount {
      for candidate in candidates {
        let count = choices.values.count { $0.candidates.contains(candidate) }
        progress(
          "\(candidate), for \(count) \(count == 1 ? "kind" : "kinds") of layers "
            + "(round \(round) of \(Tuner.roundCount))")
        try measure(candidate)
      }
    }
    var record = executable.options.tuning
    for (problem, choice) in choices {
      guard let times = times[problem] else { continue }
      record.choices[problem] = fastest(choice, times)
    }
    return record
  }

  private func fastest(_ choice: KernelChoice, _ times: [String: [UInt64]]) -> String? {
    var best: (name: String, time: Double)?
    for name in choice.candidates {
      guard let sorted = times[name]?.sorted(), !sorted.isEmpty else { continue }
      let time = Double(sorted[sorted.count / 2])
      if best.map({ time < $0.time * Tuner.gain }) ?? true { best = (name, time) }
    }
    return best?.name
  }

  /// Runs the model with one choice for all problems that have it.
  private mutating func measure(_ candidate: String?) throws {
    var options = executable.options
    // The graph is already lowered.
    options.optimizes = false
    if let candidate {
      for choice in choices.values where choice.candidates.contains(candidate) {
        options.tuning.choices[choice.problem] = candidate
      }
    }
    let session = Session(try Executable(executable.graph, options: options))
    for _ in 0..<2 { _ = try session.run(inputs) }
    for _ in 0..<Tuner.runCount {
      let profile = Profile()
      session.profile = profile
      _ = try session.run(inputs)
      var sums: [KernelChoice: UInt64] = [:]
      for step in profile.steps {
        if let choice = step.choice { sums[choice, default: 0] += step.nanoseconds }
      }
      for (choice, time) in sums {
        choices[choice.problem] = choice
        times[choice.problem, default: [:]][choice.name, default: []].append(time)
      }
    }
  }
}
