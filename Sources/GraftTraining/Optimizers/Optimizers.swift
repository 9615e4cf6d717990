import GraftRuntime

/// Optimizers by the names and arguments that recipes use: `sgd(momentum=0.9,nesterov)`.
package enum Optimizers {
  package static let names = ["sgd", "adagrad", "rmsprop", "adam", "adamw"]

  /// The defaults are those of Keras.
  ///
  /// - Throws: `GraftError` for an unknown name or argument.
  package static func named(_ text: String) throws -> any Optimizer {
    var call = try NamedCall(text)
    func number(_ key: String, _ value: Float, below limit: Double = .infinity) throws -> Float {
      Float(try call.take(key, default: Double(value), in: 0...limit))
    }
    let optimizer: any Optimizer
    let known: [String]
    switch call.name {
    case "sgd":
      known = ["momentum=", "nesterov", "weight_decay="]
      optimizer = StochasticGradientDescent(
        momentum: try number("momentum", 0, below: 1), isNesterov: call.takeFlag("nesterov"),
        weightDecay: try number("weight_decay", 0))
    case "adagrad":
      known = ["initial_accumulator=", "epsilon=", "weight_decay="]
      optimizer = AdaGrad(
        initialAccumulator: try number("initial_accumulator", 0.1),
        epsilon: try number("epsilon", 1e-7), weightDecay: try number("weight_decay", 0))
    case "rmsprop":
      known = ["rho=", "momentum=", "epsilon=", "centered", "weight_decay="]
      optimizer = RMSProp(
        rho: try number("rho", 0.9, below: 1), momentum: try number("momentum", 0, below: 1),
        epsilon: try number("epsilon", 1e-7), isCentered: call.takeFlag("centered"),
        weightDecay: try number("weight_decay", 0))
    case "adam", "adamw":
      known = ["beta1=", "beta2=", "epsilon=", "weight_decay="]
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
    try call.requireNoMore(known: known)
    return optimizer
  }
}
