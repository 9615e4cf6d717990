import GraftFiles

/// Named numbers, the notation of class weights and learning rate factors in recipes:
/// `block4=0.1,block5=0.3`.
enum NamedNumbers {
  /// Names may contain commas and equals signs: a part without `=` belongs to the next one.
  ///
  /// - Parameter property: the text's name in messages
  /// - Throws: `GraftError` if a name or number is missing, a number is negative, or a name is
  ///   repeated
  static func parse(_ text: String, _ property: String) throws -> [(name: String, value: Double)] {
    var result: [(name: String, value: Double)] = []
    var rest = ""
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      rest += rest.isEmpty ? part : ",\(part)"
      guard let equals = rest.lastIndex(of: "=") else { continue }
      let name = trimmed(rest[..<equals])
      guard !name.isEmpty, let value = Double(trimmed(rest[rest.index(after: equals)...])),
        value >= 0, value.isFinite
      else {
        throw GraftError.usage(
          "\(property): '\(rest)' is not a name with a number of 0 or more", hint: "Use NAME=0.5")
      }
      guard !result.contains(where: { ByteString($0.name) == ByteString(name) }) else {
        throw GraftError.usage("\(property): '\(name)' appears twice")
      }
      result.append((name, value))
      rest = ""
    }
    guard rest.isEmpty, !text.hasSuffix(","), !result.isEmpty else {
      throw GraftError.usage("\(property): '\(text)' has no number", hint: "Use NAME=0.5")
    }
    return result
  }

  private static func trimmed(_ text: Substring) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
