import GraftFiles

/// Optimizers by the names and arguments that recipes use: `sgd(momentum=0.9,nesterov)`.
package enum Optimizers {
  private static let known = NamedCalls([
    "sgd": ["momentum=", "nesterov", "weight_decay="],
    "adagrad": ["initial_accumulator=", "epsilon=", "weight_decay="],
    "rmsprop": ["rho=", "momentum=", "epsilon=", "centered", "weight_decay="],
    "adam": ["beta1=", "beta2=", "epsilon=", "weight_decay="],
    "adamw": ["beta1=", "beta2=", "epsilon=", "weight_decay="],
  ])

  package static var names: [String] { known.names }
  /// How each optimizer is written.
  package static var usages: [String] { known.usages }

  /// The defaults are those of Keras.
  ///
  /// - Throws: `GraftError` for an unknown name or argument.
  package static func named(_ text: String) throws -> any Optimizer {
    var call = try NamedCall(text)
    func number(_ key: String, _ value: Float, below limit: Double = .infinity) throws -> Float {
      Float(try call.take(key, default: Double(value), in: 0...limit))
    }
    let optimizer: any Optimizer
    switch call.name {
    case "sgd":
      optimizer = StochasticGradientDescent(
        momentum: try number("momentum", 0, below: 1), isNesterov: call.takeFlag("nesterov"),
        weightDecay: try number("weight_decay", 0))
    case "adagrad":
      optimizer = AdaGrad(
        initialAccumulator: try number("initial_accumulator", 0.1),
        epsilon: try number("epsilon", 1e-7), weightDecay: try number("weight_decay", 0))
    case "rmsprop":
      optimizer = RMSProp(
        rho: try number("rho", 0.9, below: 1), momentum: try number("momentum", 0, below: 1),
        epsilon: try number("epsilon", 1e-7), isCentered: call.takeFlag("centered"),
        weightDecay: try number("weight_decay", 0))
    case "adam", "adamw":
      // At 1 the averages would stay 0, and their correction would divide by that.
      let beta1 = try number("beta1", 0.9, below: 0.999_999)
      let beta2 = try number("beta2", 0.999, below: 0.999_999)
      let epsilon = try number("epsilon", 1e-7)
      optimizer =
        call.name == "adam"
        ? Adam(
          beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: try number("weight_decay", 0))
        : AdamW(
          weightDecay: try number("weight_decay", 0.004), beta1: beta1, beta2: beta2,
          epsilon: epsilon)
    default:
      throw GraftError.usage(
        "'\(call.name)' is no optimizer", hint: "Known are \(names.joined(separator: ", "))")
    }
    try known.requireNoMore(of: call)
    return optimizer
  }
}
