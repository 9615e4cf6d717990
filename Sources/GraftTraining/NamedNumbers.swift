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
      let name = rest[..<equals].trimmed
      guard !name.isEmpty, let value = Double(rest[rest.index(after: equals)...].trimmed),
        (0...1e30).contains(value)
      else {
        throw GraftError.invalidValue(rest, for: "'\(property)'", use: form)
      }
      guard !result.contains(where: { ByteString($0.name) == ByteString(name) }) else {

        throw GraftError.usage("'\(property)' names '\(name)' twice", hint: "Name it once")
      }
      result.append((name, value))
      rest = ""
    }
    guard rest.isEmpty, !text.hasSuffix(","), !result.isEmpty else {
      throw GraftError.invalidValue(text, for: "'\(property)'", use: form)
    }
    return result
  }

  private static let form = "NAME=NUMBER, separated by commas, with numbers of 0 or more"
}
