import GraftFiles

/// The valid calls of one kind in recipes, with the arguments of each: `key=` or a word.
struct NamedCalls: Sendable {
  /// What a call is, for messages.
  private let noun: String
  /// Whether each phase has one.
  private let isOfPhases: Bool
  private let entries: [(name: String, arguments: [String])]

  init(_ noun: String, isOfPhases: Bool = false, _ entries: KeyValuePairs<String, [String]>) {
    self.init(noun, isOfPhases: isOfPhases, entries.map { ($0.key, $0.value) })
  }

  init(_ noun: String, isOfPhases: Bool = false, _ entries: [(name: String, arguments: [String])]) {
    self.noun = noun
    self.isOfPhases = isOfPhases
    self.entries = entries
  }

  var names: [String] { entries.map(\.name) }

  /// The syntax of each: `sgd(momentum=…, nesterov)`.
  var usages: [String] { entries.map(NamedCalls.usage) }

  private static func usage(_ name: String, _ arguments: [String]) -> String {
    let words = arguments.map { $0.hasSuffix("=") ? "\($0)…" : $0 }
    return words.isEmpty ? name : "\(name)(\(words.joined(separator: ", ")))"
  }

  /// Reads one call with a known name.
  ///
  /// - Throws: `GraftError` for a list, or an unknown name, with the nearest ones
  func call(_ text: String) throws -> NamedCall {
    let calls = try NamedCall.list(text.contains(";") ? text.replacing([";": ","]) : text)
    guard calls.count == 1 else {
      throw GraftError.usage(
        "'\(text)' is a list, not one \(noun)",
        hint: isOfPhases
          ? "Use one for each phase; an option separates those of phases by ';'" : "Use one")
    }
    guard names.contains(calls[0].name) else {
      throw GraftError.usage(
        "unknown \(noun) '\(calls[0].name)'",
        hint: nearestNamesHint(calls[0].name, among: names)
          ?? "Use one of \(names.joined(separator: ", "))")
    }
    return calls[0]
  }

  /// - Throws: `GraftError` that names the first unknown argument, and the valid ones
  func requireNoMore(of call: NamedCall) throws {
    let arguments = entries.first { $0.name == call.name }?.arguments ?? []
    try call.requireNoMore(usage: NamedCalls.usage(call.name, arguments))
  }
}
