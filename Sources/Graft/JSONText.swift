import FoundationEssentials
import GraftFiles

/// Writes JSON with sorted keys, and null for numbers that JSON does not have.
package enum JSONText {
  /// - Parameter isPretty: whether each value has its own line
  package static func encode(_ value: some Encodable, isPretty: Bool = false) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
    // The encoder can only write NaN and infinities as strings; no other string equals this one.
    let word = "\(UUID())"
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: word, negativeInfinity: word, nan: word)
    return String(decoding: try encoder.encode(value), as: UTF8.self)
      .replacing("\"\(word)\"", with: "null")
  }
}
