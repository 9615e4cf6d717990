import Foundation
import GraftFiles
import GraftGraph
import GraftTensor
import GraftTraining
import TestSupport
import Testing

/// Each schedule against the learning rates that Keras and PyTorch gave.
@Suite struct ScheduleTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let schedule: any LearningRateSchedule
    /// The base rate, which the factor is multiplied by.
    let rate: Double
    var stepsPerEpoch = 1
    let stepCount: Int
    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "exponential", schedule: ExponentialSchedule(decay: 0.5), rate: 0.1, stepsPerEpoch: 7,
      stepCount: 40),
    Case(
      name: "step", schedule: StepSchedule(epochs: 1, decay: 0.5), rate: 0.1, stepsPerEpoch: 7,
      stepCount: 40),
    Case(
      name: "step", schedule: StepSchedule(epochs: 7, decay: 0.5), rate: 0.1, stepCount: 40),
    Case(name: "cosine", schedule: CosineSchedule(), rate: 0.1, stepCount: 30),
    Case(name: "cosine_alpha", schedule: CosineSchedule(end: 0.25), rate: 0.1, stepCount: 30),
    Case(
      name: "cosine_warmup", schedule: CosineSchedule(warmUp: 2, start: 0.05, end: 0.1), rate: 0.2,
      stepsPerEpoch: 3, stepCount: 31),
    Case(name: "one_cycle", schedule: OneCycleSchedule(), rate: 0.1, stepCount: 40),
    Case(
      name: "one_cycle_settings",
      schedule: OneCycleSchedule(risingShare: 0.45, startDivisor: 10, endDivisor: 100), rate: 0.5,
      stepCount: 31),
  ]

  @Test(arguments: cases) func ratesAreThoseOfKerasAndPyTorch(_ example: Case) throws {
    let expected = try Fixtures.schedules.numbers(example.name)
    for (step, rate) in expected.enumerated() {
      let factor = example.schedule.factor(
        step: step, stepsPerEpoch: example.stepsPerEpoch, stepCount: example.stepCount)
      #expect(abs(factor * example.rate - rate) < 1e-9 * example.rate, "step \(step)")
    }
  }

  @Test(arguments: [
    ("plateau", ReduceOnPlateau(decay: 0.5, patience: 2)),
    (
      "plateau_settings",
      ReduceOnPlateau(decay: 0.1, patience: 3, minimumChange: 0.01, cooldown: 2, minimum: 0.005)
    ),
  ])
  func plateausAreThoseOfKeras(_ name: String, _ schedule: ReduceOnPlateau) throws {
    let losses = try Fixtures.schedules.numbers("plateau_losses")
    let expected = try Fixtures.schedules.numbers(name)
    var schedule = schedule
    for (epoch, loss) in losses.enumerated() {
      let factor = schedule.factor(step: epoch, stepsPerEpoch: 1, stepCount: losses.count)
      #expect(abs(factor * 0.1 - expected[epoch]) < 1e-8, "epoch \(epoch)")
      schedule.epochEnded(loss: loss)
    }
    #expect(Set(expected).count > 2)
  }

  /// A run that is interrupted after any epoch continues with the same rates.
  @Test func plateausSurviveCheckpoints() throws {
    let losses = try Fixtures.schedules.numbers("plateau_losses")
    var whole: any LearningRateSchedule = ReduceOnPlateau(decay: 0.5, patience: 2, cooldown: 1)
    var interrupted = whole
    for loss in losses {
      whole.epochEnded(loss: loss)
      interrupted.epochEnded(loss: loss)
      let text = try JSONEncoder().encode(interrupted.memory)
      interrupted = ReduceOnPlateau(decay: 0.5, patience: 2, cooldown: 1)
      interrupted.memory = try JSONDecoder().decode(ScheduleMemory.self, from: text)
      #expect(interrupted.memory == whole.memory)
    }
  }

  /// What training cannot learn from is no improvement, and no trap.
  @Test func lossesThatAreNoNumbersCountAsPlateaus() {
    var schedule = ReduceOnPlateau(decay: 0.5, patience: 1)
    schedule.epochEnded(loss: 1)
    schedule.epochEnded(loss: .nan)
    #expect(schedule.factor(step: 0, stepsPerEpoch: 1, stepCount: 1) == 0.5)
  }

  /// At every position of phases of any length, however short.
  @Test func factorsAreFinite() throws {
    for name in Schedules.names {
      for text in [name, name == "cosine" ? "cosine(warmup=3)" : name] {
        let schedule = try Schedules.named(text)
        for stepsPerEpoch in [1, 2, 5] {
          for epochs in [1, 2, 7] {
            let stepCount = stepsPerEpoch * epochs
            for step in 0..<stepCount {
              let factor = schedule.factor(
                step: step, stepsPerEpoch: stepsPerEpoch, stepCount: stepCount)
              #expect(factor >= 0 && factor <= 1, "\(text), \(step) of \(stepCount)")
            }
          }
        }
      }
    }
  }

  /// What help texts list is taken, each argument by itself.
  @Test func usagesAreTrue() throws {
    func expectTaken(_ usages: [String], _ make: (String) throws -> Any) throws {
      for usage in usages {
        let call = try NamedCall(usage)
        _ = try make(call.name)
        for argument in call.arguments {
          let texts =
            argument.key.map { key in ["0.5", "1"].map { "\(call.name)(\(key)=\($0))" } }
            ?? ["\(call.name)(\(argument.value))"]
          #expect(texts.contains { (try? make($0)) != nil }, "\(usage): \(texts)")
        }
      }
    }
    try expectTaken(Losses.usages) { try Losses.named($0) }
    try expectTaken(Optimizers.usages) { try Optimizers.named($0) }
    try expectTaken(Schedules.usages) { try Schedules.named($0) }
    #expect(Optimizers.usages.contains("sgd(momentum=…, nesterov, weight_decay=…)"))
  }

  @Test func recipesNameSchedules() throws {
    let cosine = try #require(
      try Schedules.named("cosine(warmup=2, end=0.1)") as? CosineSchedule)
    #expect(cosine.warmUp == 2 && cosine.end == 0.1)
    let plateau = try #require(
      try Schedules.named("reduce_on_plateau(patience=3,decay=0.5)") as? ReduceOnPlateau)
    #expect(plateau.patience == 3 && plateau.decay == 0.5)
    let error = #expect(throws: GraftError.self) { try Schedules.named("cosin") }
    #expect(error?.hint == "Did you mean 'cosine'?")
    for text in ["step(epochs=0)", "step(epochs=1.5)", "cosine(warmup=-1)", "constant(1)"] {
      expectError(.usage, when: text) { try Schedules.named(text) }
    }
  }

  @Test func recipesNameOptimizers() throws {
    for name in Optimizers.names { _ = try Optimizers.named(name) }
    for (text, attribute, value) in [
      ("adam(beta2=0.99)", "beta1", 0.9), ("adam(beta2=0.99)", "beta2", 0.99),
      ("adam", "weightDecay", 0), ("adamw", "weightDecay", 0.004),
      ("rmsprop(momentum=0.5)", "momentum", 0.5), ("rmsprop(momentum=0.5)", "rho", 0.9),
      ("adagrad(epsilon=0.01)", "epsilon", 0.01), ("sgd(momentum=0.25)", "momentum", 0.25),
    ] as [(String, ByteString, Float)] {
      let found = try step(text).attributes[attribute]
      guard case .float(value)? = found else {
        Issue.record("\(text): \(attribute) is \(found.map { "\($0)" } ?? "missing")")
        continue
      }
    }
    guard case .int(1)? = try step("sgd(nesterov)").attributes["nesterov"] else {
      Issue.record("sgd(nesterov) is not Nesterov's")
      return
    }
    #expect(try step("rmsprop").inputs.count { $0 != nil } == 4)
    #expect(try step("rmsprop(momentum=0.5,centered)").inputs.count { $0 != nil } == 6)
    for text in [
      "adam(beta1=1)", "adam(nesterov)", "momentum", "sgd(momentum=2)", "adam(epsilon=nan)",
      "adam(epsilon=inf)", "adam(epsilon=1e300)", "sgd(momentum=0.9",
      "sgd(momentum=0.9,momentum=0)",
    ] {
      expectError(.usage, when: text) { try Optimizers.named(text) }
    }
  }

  /// The fused step of an optimizer.
  private func step(_ optimizer: String) throws -> Node {
    var graph = Graph(name: "step")
    let value = graph.addParameter(name: "p", try Tensor([Float(1)], shape: [1]))
    try Optimizers.named(optimizer).appendUpdate(
      of: value, gradient: value, learningRate: value, step: value, to: &graph)
    return try #require(graph.nodes.last)
  }

  /// What is wrong, and what would be right.
  @Test(
    arguments: [
      ("sgd(momentum=2)", "invalid value '2' for 'momentum' of 'sgd'. Use a number from 0 to 1"),
      ("adam(beta=1)", "unknown argument 'beta' of 'adam'. Use adam(beta1=…, beta2=…, "),
      ("sgd(momentum=0.9", "'sgd(momentum=0.9' does not end with ')'. Use NAME(ARGUMENTS)"),
      ("sgd(momentum=0.9,momentum=0)", "'momentum' is given twice in 'sgd'. Give it once"),
      ("sgd(nesterov,nesterov)", "'nesterov' is given twice in 'sgd'"),
      ("adam,sgd", "'adam,sgd' is a list, not one optimizer. Use one for each phase; an option"),
      ("adam;sgd(momentum=0.9)", "is a list, not one optimizer"),
      ("adm", "unknown optimizer 'adm'. Did you mean 'adam'"),
      ("lamb", "unknown optimizer 'lamb'. Use one of sgd, adagrad, rmsprop, adam, adamw"),
      ("s g d", "white space inside 's g d'. Remove it, or separate arguments by commas"),
      ("sgd(momentum=0 .9)", "white space inside '0 .9'"),
      ("sgd(momentum nesterov)", "white space inside 'momentum nesterov'"),
      ("sgd(momentum=0x1p-3)", "invalid value '0x1p-3' for 'momentum'"),
      ("adam(epsilon=1e-400)", "'1e-400' for 'epsilon' of 'adam': it is too close to 0"),
      // Not too close for a double.
      ("adam(epsilon=1e-60)", "'1e-60' for 'epsilon' of 'adam': it is too close to 0"),
    ])
  func argumentsAreExplained(_ text: String, part: String) {
    expectError(.usage, part) { try Optimizers.named(text) }
  }
}
