import GraftFiles

/// Named numbers, the notation of class weights and learning rate factors in recipes:
/// `block4=0.1,block5=0.3`.
enum NamedNumbers {
  /// Names may contain commas and equals signs: a part without `=` belongs to the next one.
  ///
  /// - Parameter word: a word that is valid instead, for messages
  /// - Throws: `GraftError` if a name or number is missing, a number is negative, or a name is
  ///   repeated, possibly in another form of Unicode
  static func parse(
    _ text: String, or word: String? = nil
  ) throws -> [(name: String, value: Double)] {
    var result: [(name: String, value: Double)] = []
    var rest = ""
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      rest += rest.isEmpty ? part : ",\(part)"
      guard let equals = rest.lastIndex(of: "=") else { continue }
      let name = rest[..<equals].trimmed
      let digits = rest[rest.index(after: equals)...].trimmed
      guard !name.isEmpty, let value = Double(decimal: digits), (0...1e30).contains(value) else {
        throw invalid(rest)
      }
      guard Float(value) != 0 || !digits.hasNonzeroDigit else {
        throw GraftError.roundedToZero(digits, for: "'\(name)'", allowsZero: true)
      }
      // Equal names are canonically equivalent: they look the same.
      guard !result.contains(where: { $0.name == name }) else {
        throw GraftError.usage("'\(name)' is named twice", hint: "Name it once")
      }
      result.append((name, value))
      rest = ""
    }
    guard rest.isEmpty, !text.hasSuffix(","), !result.isEmpty else { throw invalid(text, or: word) }
    return result
  }

  private static func invalid(_ text: String, or word: String? = nil) -> GraftError {
    .usage(
      "invalid value '\(text)'",
      hint: word.flatMap { nearestNamesHint(text, among: [$0]) }
        ?? "Use \(word.map { "\($0), or " } ?? "")NAME=NUMBER, separated by commas, with numbers "
        + "of 0 or more")
  }
}
