/// The valid calls of one kind in recipes, with the arguments of each: `key=` or a word.
struct NamedCalls: Sendable {
  private let entries: [(name: String, arguments: [String])]

  init(_ entries: KeyValuePairs<String, [String]>) {
    self.entries = entries.map { ($0.key, $0.value) }
  }

  init(_ entries: [(name: String, arguments: [String])]) { self.entries = entries }

  var names: [String] { entries.map(\.name) }

  /// The syntax of each: `sgd(momentum=…, nesterov)`.
  var usages: [String] { entries.map(NamedCalls.usage) }

  private static func usage(_ name: String, _ arguments: [String]) -> String {
    let words = arguments.map { $0.hasSuffix("=") ? "\($0)…" : $0 }
    return words.isEmpty ? name : "\(name)(\(words.joined(separator: ", ")))"
  }

  /// - Throws: `GraftError` that names the first unknown argument, and the valid ones
  func requireNoMore(of call: NamedCall) throws {
    let arguments = entries.first { $0.name == call.name }?.arguments ?? []
    try call.requireNoMore(usage: NamedCalls.usage(call.name, arguments))
  }
}
