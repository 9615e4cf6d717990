/// Which of several ways to compute a problem of known shapes is the fastest on a machine, as measured there.
///
/// Ways differ in how they round, so that a record is part of what determines the bits.
package struct TuningRecord: Sendable, Hashable, Codable {
  /// Names of choices, by problem.
  package var choices: [String: String]

  package init(choices: [String: String] = [:]) { self.choices = choices }
}

/// How a kernel computes its problem, and how else it could.
package struct KernelChoice: Sendable, Hashable {
  /// The problem in words, with all that its time depends on.
  package var problem: String
  package var name: String
  /// All names there are for this problem; those that round less come first.
  package var candidates: [String]

  package init(problem: String, name: String, candidates: [String]) {
    self.problem = problem
    self.name = name
    self.candidates = candidates
  }
}
