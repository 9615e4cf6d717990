import Foundation

/// JSON as Graft writes it: keys in order, and null for numbers that JSON does not have.
package enum JSONText {
  /// - Parameter isPretty: whether each value gets a line
  package static func encode(_ value: some Encodable, isPretty: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    // The encoder knows no null for NaN and infinities, only words; no other string is this one.
    let word = "\(UUID())"
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: word, negativeInfinity: word, nan: word)
    return String(decoding: try encoder.encode(value), as: UTF8.self)
      .replacingOccurrences(of: "\"\(word)\"", with: "null")
  }
}
