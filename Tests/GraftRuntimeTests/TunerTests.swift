import GraftExecution
import GraftRuntime
import GraftTensor
import Testing

/// Choices of kernels by measurement: any of them is right, and what was chosen determines the
/// bits.
@Suite struct TunerTests {
  private static let shape = [2, 3, 40, 36]

  private func executable(
    _ tuning: TuningRecord = TuningRecord(), threads: Int = 2
  ) throws -> Executable {
    var options = Executable.Options()
    options.tuning = tuning
    options.threadCount = threads
    return try Executable(ConvolutionNetwork.graph(), options: options)
  }

  private func run(_ executable: Executable) throws -> [Float] {
    try Session(executable).run([try ConvolutionNetwork.input(TunerTests.shape)])[0]
      .elements(as: Float.self)
  }

  /// The choices that the model's kernels made.
  private func choices(_ executable: Executable) throws -> [KernelChoice] {
    let session = Session(executable)
    let profile = Profile()
    session.profile = profile
    _ = try session.run([try ConvolutionNetwork.input(TunerTests.shape)])
    return profile.steps.compactMap(\.choice)
  }

  @Test func everyCandidateGivesTheSameResults() throws {
    let expected = try run(try executable())
    let choices = try choices(try executable())
    #expect(!choices.isEmpty)
    #expect(choices.contains { $0.candidates.count > 5 })
    let largest = expected.reduce(0) { max($0, abs($1)) }
    for name in Set(choices.flatMap(\.candidates)) {
      var record = TuningRecord()
      for choice in choices where choice.candidates.contains(name) {
        record.choices[choice.problem] = name
      }
      let tuned = try executable(record)
      let made = try self.choices(tuned)
      for choice in made where choice.candidates.contains(name) { #expect(choice.name == name) }
      let results = try run(tuned)
      for (result, value) in zip(results, expected) {
        #expect(abs(result - value) <= 1e-4 * largest, "\(name)")
      }
      for threads in [1, 3, 8] { #expect(try run(executable(record, threads: threads)) == results) }
    }
  }

  @Test func aRecordNamesACandidateOfEveryProblem() throws {
    var tuner = Tuner(
      try executable(), inputs: [.tensor(try ConvolutionNetwork.input(TunerTests.shape))])
    var measured: [String] = []
    let record = try tuner.tune { measured.append($0) }
    let choices = try choices(try executable())
    let candidates = Set(choices.flatMap(\.candidates))
    for text in measured {
      #expect(candidates.contains { text.hasPrefix("\($0), for ") }, "\(text)")
    }
    for candidate in candidates {
      #expect(measured.contains { $0.hasPrefix("\(candidate), for ") }, "\(candidate)")
    }
    for choice in choices {
      let name = try #require(record.choices[choice.problem])
      #expect(choice.candidates.contains(name))
    }
    for choice in try self.choices(try executable(record)) {
      #expect(choice.name == record.choices[choice.problem])
    }
  }

  @Test func namesThatAreUnknownCountForNothing() throws {
    var record = TuningRecord()
    for choice in try choices(try executable()) { record.choices[choice.problem] = "by magic" }
    #expect(try run(executable(record)) == run(executable()))
  }
}
