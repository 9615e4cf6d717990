import GraftFiles

extension YAMLNode {
  /// The lines of a file: one for each property.
  var lines: [String] {
    switch self {
    case .scalar(let text, let isPlain): [isPlain ? text : YAMLNode.quoted(text)]
    case .null: ["null"]
    case .sequence([]): ["[]"]
    case .sequence(let elements):
      elements.flatMap { element in
        element.lines.enumerated().map { ($0 == 0 ? "- " : "  ") + $1 }
      }
    case .mapping(let properties):
      properties.flatMap { property in
        let lines = property.value.lines
        return switch property.value {
        case .scalar, .null, .sequence([]): ["\(property.key): \(lines[0])"]
        // Lists need no indentation before their dashes.
        case .sequence: ["\(property.key):"] + lines
        case .mapping: ["\(property.key):"] + lines.map { "  \($0)" }
        }
      }
    }
  }

  /// Text as a plain scalar, or in quotes if a plain scalar would have another meaning.
  private static func quoted(_ text: String) -> String {
    guard text.unicodeScalars.allSatisfy({ (0x20..<0x7f).contains($0.value) }) else {
      let escaped = text.unicodeScalars.map { scalar in
        switch scalar.value {
        case 0x22, 0x5c: "\\\(scalar)"
        case 0x20..<0x7f: "\(scalar)"
        default: String(printf: "\\U%08X", scalar.value)
        }
      }
      return "\"\(escaped.joined())\""
    }
    return needsNoQuotes(text) ? text : "'\(text.replacing(["'": "''"]))'"
  }

  /// Whether printable ASCII characters are text without quotes, too.
  private static func needsNoQuotes(_ text: String) -> Bool {
    guard let first = text.first, let last = text.last, first != " ", last != " ", last != ":",
      !"#,[]{}&*!|>'\"%@`".contains(first), !["-", "?", ":"].contains(first) || text.count > 1,
      !text.contains(": "), !text.contains(" #"),
      !["- ", "? ", "---", "..."].contains(where: { text.hasPrefix($0) })
    else { return false }
    let words = ["true", "false", "yes", "no", "on", "off", "null", "~", "<<", "=", ".inf", ".nan"]
    return !words.contains(text.drop { "+-".contains($0) }.lowercased()) && !isNumber(text)
  }

  /// Whether a text is a number or a date in some version of YAML.
  private static func isNumber(_ text: String) -> Bool {
    if Double(text: text, isPlain: true) != nil { return true }
    return "+-.0123456789".contains(text.first ?? " ")
      && text.allSatisfy { "+-.0123456789:_eETZtzxob ".contains($0) }
      && text.contains { "0123456789".contains($0) } && !text.contains("x")
  }
}
