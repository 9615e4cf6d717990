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
    guard text.hasSuffix(")") else { throw GraftError.usage("'\(text)' is missing a parenthesis") }
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
  /// - Throws: `GraftError` if it is not a number in `range`
  package mutating func take(
    _ key: String, default value: Double, in range: ClosedRange<Double> = 0...Double.infinity
  ) throws -> Double {
    guard let index = arguments.firstIndex(where: { $0.key == key }) else { return value }
    let text = arguments.remove(at: index).value
    guard let number = Double(text), number.isFinite, range.contains(number) else {
      throw GraftError.usage("'\(key)' of '\(name)' cannot be \(text)")
    }
    return number
  }

  /// Removes and returns the integer with a key.
  ///
  /// - Throws: `GraftError` if it is not an integer, or is below `least`
  package mutating func takeCount(_ key: String, default value: Int, from least: Int) throws -> Int
  {
    let number = try take(key, default: Double(value), in: Double(least)...1e9)
    guard let count = Int(exactly: number) else {
      throw GraftError.usage("'\(key)' of '\(name)' cannot be \(number): it must be an integer")
    }
    return count
  }

  /// Removes and returns the first argument without a key, which must be a number.
  ///
  /// - Parameters:
  ///   - value: the default; `nil` makes a missing number an error
  ///   - usage: the syntax of the call, for messages
  /// - Throws: `GraftError` if it is not a number in `range`
  package mutating func takeNumber(
    default value: Double? = nil, in range: ClosedRange<Double>, usage: String
  ) throws -> Double {
    guard let index = arguments.firstIndex(where: { $0.key == nil }) else {
      if let value { return value }
      throw GraftError.usage("'\(name)' needs a number", hint: "Use \(usage)")
    }
    let text = arguments.remove(at: index).value
    guard let number = Double(text), number.isFinite, range.contains(number) else {
      let limits = String(printf: "%g to %g", range.lowerBound, range.upperBound)
      throw GraftError.usage(
        "'\(name)' cannot have \(text)", hint: "Use \(usage), with a number from \(limits)")
    }
    return number
  }

  /// Removes and returns the first argument without a key, which must be an integer.
  ///
  /// - Throws: `GraftError` if it is not an integer in `range`
  package mutating func takeWhole(
    default value: Int? = nil, in range: ClosedRange<Int>, usage: String
  ) throws -> Int {
    let number = try takeNumber(
      default: value.map(Double.init), in: Double(range.lowerBound)...Double(range.upperBound),
      usage: usage)
    guard let count = Int(exactly: number) else {
      throw GraftError.usage(
        "'\(name)' cannot have \(number), which is not an integer", hint: "Use \(usage)")
    }
    return count
  }

  /// Removes a word without a key; whether it was there.
  package mutating func takeFlag(_ word: String) -> Bool {
    guard let index = arguments.firstIndex(where: { $0.key == nil && $0.value == word }) else {
      return false
    }
    arguments.remove(at: index)
    return true
  }

  /// - Throws: `GraftError` that names the first unknown argument, and the valid ones
  package func requireNoMore(known: [String]) throws {
    guard let argument = arguments.first else { return }
    throw GraftError.usage(
      "'\(name)' has no argument '\(argument.key ?? argument.value)'",
      hint: known.isEmpty ? "It takes none" : "It takes \(known.joined(separator: ", "))")
  }
}
