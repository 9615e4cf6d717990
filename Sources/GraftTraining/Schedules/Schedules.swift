import GraftRuntime

/// Schedules by the names and arguments that recipes use.
package enum Schedules {
  /// - Throws: `GraftError` for an unknown name or argument.
  package static func named(_ text: String) throws -> any LearningRateSchedule {
    let call = try NamedCall(text)
    guard call.name == "constant" else {
      throw GraftError.usage("'\(call.name)' is no schedule", hint: "Known are constant")
    }
    try call.requireNoMore(known: [])
    return ConstantSchedule()
  }
}
