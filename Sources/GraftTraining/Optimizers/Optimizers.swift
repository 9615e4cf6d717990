import GraftFiles

/// Optimizers by the names and arguments that recipes use: `sgd(momentum=0.9,nesterov)`.
package enum Optimizers {
  private static let kinds: [any Optimizer.Type] = [
    StochasticGradientDescent.self, AdaGrad.self, RMSProp.self, Adam.self, AdamW.self,
  ]
  private static let known = NamedCalls(kinds.map { ($0.name, $0.arguments) })

  package static var names: [String] { known.names }
  /// The syntax of each optimizer.
  package static var usages: [String] { known.usages }

  /// - Throws: `GraftError` for an unknown name or argument
  package static func named(_ text: String) throws -> any Optimizer {
    var call = try NamedCall(text)
    guard let kind = kinds.first(where: { $0.name == call.name }) else {
      throw GraftError.usage(
        "unknown optimizer '\(call.name)'", hint: "Use one of \(names.joined(separator: ", "))")
    }
    let optimizer = try kind.init(&call)
    try known.requireNoMore(of: call)
    return optimizer
  }
}

extension NamedCall {
  /// Takes the number with a key away from the arguments, if there is one, as the new `value`.
  ///
  /// - Throws: `GraftError` if it is negative or above `limit`.
  mutating func take(
    _ key: String, into value: inout Float, below limit: Double = .infinity
  ) throws {
    value = Float(try take(key, default: Double(value), in: 0...limit))
  }
}
