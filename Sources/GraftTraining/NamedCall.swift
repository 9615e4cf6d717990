import GraftFiles

/// A name with arguments, the notation of layers, optimizers and schedules in recipes:
/// `dense(128,relu,l2=1e-5)`.
package struct NamedCall: Sendable, Hashable {
  package var name: String
  /// Values in order; those written `key=value` have a key.
  package var arguments: [Argument] = []

  package struct Argument: Sendable, Hashable {
    package var key: String?
    package var value: String
  }

  /// The keys and words that were removed, to tell repeated arguments from unknown ones.
  private var taken: Set<String> = []

  /// - Throws: `GraftError` if a parenthesis is missing, or a name or value has white space inside
  package init(_ text: String) throws {
    let text = text.withoutOuterSpace
    name = try NamedCall.word(text.prefix { $0 != "(" }).lowercased()
    guard let start = text.firstIndex(of: "(") else { return }
    guard text.hasSuffix(")") else {
      throw GraftError.usage("'\(text)' does not end with ')'", hint: "Use NAME(ARGUMENTS)")
    }
    let inner = text[text.index(after: start)...].dropLast()
    guard !inner.withoutOuterSpace.isEmpty else { return }
    arguments = try inner.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let pair = try part.split(separator: "=", maxSplits: 1).map { try NamedCall.word($0) }
      guard pair.count == 2 else { return Argument(key: nil, value: try NamedCall.word(part)) }
      return Argument(key: pair[0].lowercased(), value: pair[1])
    }
  }

  /// A name or a value, without white space around it.
  private static func word(_ text: Substring) throws -> String {
    let word = text.withoutOuterSpace
    guard !word.contains(where: \.isWhitespace) else {
      throw GraftError.usage(
        "white space inside '\(word)'", hint: "Remove it, or separate arguments by commas")
    }
    return String(word)
  }

  /// Calls separated by commas outside of parentheses.
  package static func list(_ text: String) throws -> [NamedCall] {
    var parts = [""]
    var depth = 0
    for character in text {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == ",", depth == 0 {
        parts.append("")
      } else {
        parts[parts.count - 1].append(character)
      }
    }
    return try parts.map { try NamedCall($0) }
  }

  /// Removes and returns the number with a key.
  ///
  /// - Parameter word: a word that is also valid, for messages
  /// - Throws: `GraftError` if it is not in `range`
  mutating func take<Number: RecipeValue & Comparable>(
    _ key: String, default value: Number, in range: ClosedRange<Number>, or word: String? = nil
  ) throws -> Number {
    guard let index = arguments.firstIndex(where: { $0.key == key }) else { return value }
    taken.insert(key)
    let text = arguments.remove(at: index).value
    var form = RecipeForm.from(range)
    if let word { form.description += ", or \(word)" }
    return try form.value(of: text, "'\(key)' of '\(name)'")
  }

  /// Removes and returns the first argument without a key, a number.
  ///
  /// - Parameters:
  ///   - value: the default; `nil` makes a missing number an error
  ///   - usage: the syntax of the call, for messages
  ///   - placeholder: the number's name there, if there are several
  /// - Throws: `GraftError` if it is not in `range`
  mutating func takeFirst<Number: RecipeValue & Comparable>(
    default value: Number? = nil, in range: ClosedRange<Number>, usage: String,
    as placeholder: String? = nil
  ) throws -> Number {
    var form = RecipeForm.from(range)
    let number = placeholder.map { "\($0) as \(form.description)" } ?? form.description
    form.description = "\(usage), with \(number)"
    guard let index = arguments.firstIndex(where: { $0.key == nil }) else {
      if let value { return value }
      throw GraftError.usage("'\(name)' requires a number", hint: "Use \(form.description)")
    }
    return try form.value(of: arguments.remove(at: index).value, "'\(name)'")
  }

  /// Removes a word without a key, or with one; whether it was there.
  package mutating func takeFlag(_ word: String, of key: String? = nil) -> Bool {
    let index = arguments.firstIndex { $0.key == key && $0.value.lowercased() == word }
    guard let index else { return false }
    arguments.remove(at: index)
    taken.insert(key ?? word)
    return true
  }

  /// - Parameter usage: the syntax of the call
  /// - Throws: `GraftError` that names the first unknown or repeated argument
  package func requireNoMore(usage: String) throws {
    guard let argument = arguments.first else { return }
    let word = argument.key ?? argument.value
    guard !taken.contains(word) else {
      throw GraftError.usage("'\(word)' is given twice in '\(name)'", hint: "Give it once")
    }
    throw GraftError.usage("unknown argument '\(word)' of '\(name)'", hint: "Use \(usage)")
  }
}

extension StringProtocol {
  /// Without white space at both ends, including ends of lines.
  fileprivate var withoutOuterSpace: SubSequence {
    let start = drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return start }
    return start[...last]
  }
}
