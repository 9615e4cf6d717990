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

  /// - Throws: `GraftError` if a parenthesis is missing
  package init(_ text: String) throws {
    let text = text.filter { !$0.isWhitespace }
    name = String(text.prefix { $0 != "(" }).lowercased()
    guard text.contains("(") else { return }
    guard text.hasSuffix(")") else {
      throw GraftError.usage("'\(text)' does not end with ')'", hint: "Use NAME(ARGUMENTS)")
    }
    let inner = text.dropFirst(name.count + 1).dropLast()
    guard !inner.isEmpty else { return }
    arguments = inner.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
      return pair.count == 2
        ? Argument(key: pair[0].lowercased(), value: pair[1])
        : Argument(key: nil, value: String(part))
    }
  }

  /// Calls separated by commas outside of parentheses.
  package static func list(_ text: String) throws -> [NamedCall] {
    var parts = [""]
    var depth = 0
    for character in text where !character.isWhitespace {
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
  /// - Throws: `GraftError` if it is not in `range`
  mutating func take<Number: RecipeValue & Comparable>(
    _ key: String, default value: Number, in range: ClosedRange<Number>
  ) throws -> Number {
    guard let index = arguments.firstIndex(where: { $0.key == key }) else { return value }
    let text = arguments.remove(at: index).value
    return try RecipeForm.from(range).value(of: text, "'\(key)' of '\(name)'")
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

  /// Removes a word without a key; whether it was there.
  package mutating func takeFlag(_ word: String) -> Bool {
    guard let index = arguments.firstIndex(where: { $0.key == nil && $0.value == word }) else {
      return false
    }
    arguments.remove(at: index)
    return true
  }

  /// - Parameter usage: the syntax of the call
  /// - Throws: `GraftError` that names the first unknown argument
  package func requireNoMore(usage: String) throws {
    guard let argument = arguments.first else { return }
    throw GraftError.usage(
      "unknown argument '\(argument.key ?? argument.value)' of '\(name)'", hint: "Use \(usage)")
  }
}
