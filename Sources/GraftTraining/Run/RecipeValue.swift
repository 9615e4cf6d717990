import GraftExecution
import GraftFiles

/// A single value in a recipe: text, a number, or a word.
///
/// Numbers and words are those of YAML's core schema.
///
/// Source: <https://yaml.org/spec/1.2.2/#1032-tag-resolution>
protocol RecipeValue: Sendable {
  /// - Parameter isPlain: whether the text has no quotes, which would make everything text
  init?(text: String, isPlain: Bool)
  var text: String { get }
  /// The values that there are, for messages.
  static var form: String { get }
  /// Whether this is 0 only because the number in the text is too close to it.
  func isRounded(from text: String) -> Bool
}

extension RecipeValue {
  func isRounded(from text: String) -> Bool { false }
}

extension String: RecipeValue {
  static var form: String { "one text" }
  init(text: String, isPlain: Bool) { self = text }
  var text: String { self }
}

extension Bool: RecipeValue {
  static var form: String { "true or false" }

  init?(text: String, isPlain: Bool) {
    guard isPlain else { return nil }
    switch text {
    case "true", "True", "TRUE": self = true
    case "false", "False", "FALSE": self = false
    default: return nil
    }
  }

  var text: String { "\(self)" }
}

extension Int: RecipeValue {}
extension UInt64: RecipeValue {}

extension RecipeValue where Self: FixedWidthInteger {
  static var form: String { "a whole number" }

  init?(text: String, isPlain: Bool) {
    let radix = ["0x": 16, "0o": 8][text.prefix(2)]
    let digits = radix == nil ? text[...] : text.dropFirst(2)
    guard isPlain, radix == nil || digits.first?.isHexDigit == true else { return nil }
    self.init(digits, radix: radix ?? 10)
  }

  var text: String { "\(self)" }
}

extension Double: RecipeValue {}
extension Float: RecipeValue {}

extension RecipeValue where Self: BinaryFloatingPoint {
  static var form: String { "a number" }

  init?(text: String, isPlain: Bool) {
    if let whole = UInt64(text: text, isPlain: isPlain) {
      self.init(whole)
    } else if isPlain, let number = Double(decimal: text) {
      self.init(number)
    } else {
      return nil
    }
  }

  func isRounded(from text: String) -> Bool { self == 0 && text.hasNonzeroDigit }

  /// The shortest digits of this number, without an exponent where few zeros are needed.
  var text: String {
    guard self == 0 || (1e-40...1e40).contains(Double(magnitude)) else { return "\(self)" }
    let parts = "\(magnitude)".split(separator: "e")
    let number = parts[0].split(separator: ".")
    let fraction = number.count > 1 && number[1] != "0" ? number[1] : ""
    let digits = number[0] + fraction
    var point = number[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    var text = String(digits)
    if point <= 0 {
      text = String(repeating: "0", count: 1 - point) + text
      point = 1
    }
    text += String(repeating: "0", count: max(0, point - text.count))
    let whole = text.prefix(point)
    let rest = text.dropFirst(point)
    return (sign == .minus ? "-" : "") + whole + (rest.isEmpty ? "" : ".\(rest)")
  }
}

extension Precision: RecipeValue {}
extension ExportOptions.Precision: RecipeValue {}

extension RecipeValue where Self: RawRepresentable<String> & CaseIterable {
  static var form: String { allCases.map(\.rawValue).alternatives }
  init?(text: String, isPlain: Bool) { self.init(rawValue: text) }
  var text: String { rawValue }
}
