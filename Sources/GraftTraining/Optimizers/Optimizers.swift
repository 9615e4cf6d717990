import GraftFiles

/// Optimizers by the names and arguments that recipes use: `sgd(momentum=0.9,nesterov)`.
package enum Optimizers {
  private static let all: KeyValuePairs<String, any Optimizer> = [
    "sgd": StochasticGradientDescent(), "adagrad": AdaGrad(), "rmsprop": RMSProp(),
    "adam": Adam(), "adamw": Adam(weightDecay: 0.004),
  ]
  private static let known = NamedCalls(
    "optimizer", isOfPhases: true, all.map { ($0.key, $0.value.usage) })

  package static var names: [String] { known.names }
  /// The syntax of each optimizer.
  package static var usages: [String] { known.usages }

  /// - Throws: `GraftError` for an unknown name or argument
  package static func named(_ text: String) throws -> any Optimizer {
    var call = try known.call(text)
    guard var optimizer = all.first(where: { $0.key == call.name })?.value else {
      throw GraftError(.software, "the optimizer '\(call.name)' has no rule")
    }
    try optimizer.take(&call)
    try known.requireNoMore(of: call)
    return optimizer
  }
}

/// An argument of an optimizer in recipes.
package enum OptimizerArgument<Rule>: Sendable {
  /// A number from 0 to a limit.
  case number(String, any WritableKeyPath<Rule, Float> & Sendable, limit: Float = 1e30)
  /// A word that changes false to true.
  case flag(String, any WritableKeyPath<Rule, Bool> & Sendable)
}

extension Optimizer {
  /// Its arguments: `key=` or a word.
  fileprivate var usage: [String] {
    Self.arguments.map { argument in
      switch argument {
      case .number(let key, _, _): "\(key)="
      case .flag(let word, _): word
      }
    }
  }

  /// Takes the rule's arguments away from a call.
  fileprivate mutating func take(_ call: inout NamedCall) throws {
    for argument in Self.arguments {
      switch argument {
      case .number(let key, let path, let limit):
        self[keyPath: path] = try call.take(key, default: self[keyPath: path], in: 0...limit)
      case .flag(let word, let path): self[keyPath: path] = call.takeFlag(word)
      }
    }
  }
}
