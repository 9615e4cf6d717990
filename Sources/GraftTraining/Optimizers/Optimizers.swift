import GraftRuntime

/// Optimizers by the names and arguments that recipes use: `sgd(momentum=0.9,nesterov)`.
package enum Optimizers {
  /// - Throws: `GraftError` for an unknown name or argument.
  package static func named(_ text: String) throws -> any Optimizer {
    var call = try NamedCall(text)
    switch call.name {
    case "sgd":
      let optimizer = StochasticGradientDescent(
        momentum: Float(try call.take("momentum", default: 0, in: 0...1)),
        isNesterov: call.takeFlag("nesterov"),
        weightDecay: Float(try call.take("weight_decay", default: 0)))
      try call.requireNoMore(known: ["momentum=", "nesterov", "weight_decay="])
      return optimizer
    default:
      throw GraftError.usage("'\(call.name)' is no optimizer", hint: "Known are sgd")
    }
  }
}
