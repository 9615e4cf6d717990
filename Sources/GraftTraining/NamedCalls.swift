/// The calls of one kind that recipes may have, with the arguments that each takes: `key=` or a word.
struct NamedCalls: Sendable {
  private let entries: [(name: String, arguments: [String])]

  init(_ entries: KeyValuePairs<String, [String]>) {
    self.entries = entries.map { ($0.key, $0.value) }
  }

  init(_ entries: [(name: String, arguments: [String])]) { self.entries = entries }

  var names: [String] { entries.map(\.name) }

  /// How each is written: `sgd(momentum=…, nesterov)`.
  var usages: [String] {
    entries.map { name, arguments in
      let words = arguments.map { $0.hasSuffix("=") ? "\($0)…" : $0 }
      return words.isEmpty ? name : "\(name)(\(words.joined(separator: ", ")))"
    }
  }

  /// - Throws: `GraftError` that names the first argument nobody took, and those there are.
  func requireNoMore(of call: NamedCall) throws {
    try call.requireNoMore(known: entries.first { $0.name == call.name }?.arguments ?? [])
  }
}
