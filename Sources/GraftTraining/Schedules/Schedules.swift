import GraftFiles

/// Schedules by the names and arguments that recipes use: `cosine(warmup=1,end=0.01)`. Epochs and
/// factors are relative to the phase and its learning rate.
package enum Schedules {
  private static let known = NamedCalls(
    "schedule", isOfPhases: true,
    [
      "constant": [], "step": ["epochs=", "decay="], "exponential": ["epochs=", "decay="],
      "cosine": ["warmup=", "start=", "end="],
      "one_cycle": ["rising=", "start_divisor=", "end_divisor="],
      "reduce_on_plateau": ["decay=", "patience=", "change=", "cooldown=", "minimum="],
    ])

  package static var names: [String] { known.names }
  /// The syntax of each schedule.
  package static var usages: [String] { known.usages }

  /// - Throws: `GraftError` for an unknown name or argument
  package static func named(_ text: String) throws -> any LearningRateSchedule {
    var call = try known.call(text)
    let schedule: any LearningRateSchedule
    let (epochs, factors, counts) = (0...1e6, 0...1e30, 0...1_000_000)
    switch call.name {
    case "constant": schedule = ConstantSchedule()
    case "step":
      schedule = StepSchedule(
        epochs: try call.take("epochs", default: 10, in: 1...1_000_000),
        decay: try call.take("decay", default: 0.1, in: factors))
    case "exponential":
      schedule = ExponentialSchedule(
        epochs: try call.take("epochs", default: 1, in: 1e-3...1e6),
        decay: try call.take("decay", default: 0.96, in: factors))
    case "cosine":
      schedule = CosineSchedule(
        warmUp: try call.take("warmup", default: 0, in: epochs),
        start: try call.take("start", default: 0, in: factors),
        end: try call.take("end", default: 0, in: factors))
    case "one_cycle":
      schedule = OneCycleSchedule(
        risingShare: try call.take("rising", default: 0.3, in: 0...1),
        startDivisor: try call.take("start_divisor", default: 25, in: 1...1e9),
        endDivisor: try call.take("end_divisor", default: 1e4, in: 1...1e9))
    default:
      schedule = ReduceOnPlateau(
        decay: try call.take("decay", default: 0.1, in: 0...0.999),
        patience: try call.take("patience", default: 10, in: counts),
        minimumChange: try call.take("change", default: 1e-4, in: factors),
        cooldown: try call.take("cooldown", default: 0, in: counts),
        minimum: try call.take("minimum", default: 0, in: 0...1))
    }
    try known.requireNoMore(of: call)
    return schedule
  }
}
