/// The fastest of several algorithms for problems of known shapes, as measured on a machine.
///
/// Algorithms differ in rounding, so that a record affects the bits of results.
package struct TuningRecord: Sendable, Hashable, Codable {
  /// The names of choices, by problem.
  package var choices: [String: String]

  package init(choices: [String: String] = [:]) { self.choices = choices }
}

/// The algorithm of a kernel, and its alternatives.
package struct KernelChoice: Sendable, Hashable {
  /// The problem as text, with everything that affects its time.
  package var problem: String
  package var name: String
  /// The names of all algorithms for this problem, those with smaller rounding errors first.
  package var candidates: [String]

  package init(problem: String, name: String, candidates: [String]) {
    self.problem = problem
    self.name = name
    self.candidates = candidates
  }
}
