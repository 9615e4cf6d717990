import GraftFiles
import GraftVision

/// Metadata of other tools about a model's classes and image sizes.
///
/// Sources: <https://docs.ultralytics.com/modes/export/> (`names`, `imgsz`, `task`, …),
/// <https://huggingface.co/docs/transformers/main_classes/configuration> (`id2label`, `label2id`),
/// <https://huggingface.co/docs/timm/> (`pretrained_cfg`, `num_classes`, `label_names`), and
/// <https://learn.microsoft.com/azure/ai-services/custom-vision-service/> (`CustomVision.…`)
enum ClassMetadata {
  /// Keys of lists of names, most reliable first.
  private static let nameKeys = [
    "names", "classnames", "labelnames", "classlabels", "id2label", "idxtoclass", "idx2label",
    "classes", "labels", "categories",
  ]
  /// Keys of numbers by name.
  private static let numberKeys = ["label2id", "classtoidx", "labeltoidx", "label2idx"]
  /// Keys of the image size, which are replaced.
  private static let sizeKeys = ["imgsz"]
  /// Other keys that depend on the head or the image size.
  private static let otherKeys: Set<String> = [
    "nc", "numclasses", "numlabels", "classcount", "labelcount", "task", "stride", "batch",
    "inputsize", "imagesize", "imgsize", "inputshape", "cropsize", "croppct", "testinputsize",
    "resolution", "kptshape", "kptnames", "end2end", "args", "labeldescriptions", "labeltype",
    "defaultcfg", "pretrainedcfg", "problemtype", "thresholds",
  ]
  private static let otherBeginnings = [
    "customvision.preprocess.", "customvision.postprocess.",
  ]

  /// The class names in a file's metadata; `nil` if there are none in a known form.
  static func names(in metadata: [ByteString: String]) -> [String]? {
    let byKey = Dictionary(
      metadata.map { (normalized($0.key.text), $0.value) }, uniquingKeysWith: { min($0, $1) })
    for key in nameKeys {
      if let text = byKey[key], let names = ClassList(text)?.names { return names }
    }
    for key in numberKeys {
      if let text = byKey[key], let names = ClassList(text)?.namesByNumber { return names }
    }
    return nil
  }

  /// The metadata of a network with another head or image size: entries about the old ones are
  /// replaced where possible, and otherwise removed.
  static func updated(
    _ metadata: [ByteString: String], classNames: [String], imageSize: ImageSize?
  ) -> [ByteString: String] {
    var result = metadata
    for key in metadata.keys {
      let known = normalized(key.text)
      if known == nameKeys[0] {
        result[key] = ClassList.dictionaryText(classNames)
      } else if sizeKeys.contains(known), let imageSize {
        result[key] = "[\(imageSize.height), \(imageSize.width)]"
      } else if nameKeys.contains(known) || numberKeys.contains(known) || sizeKeys.contains(known)
        || otherKeys.contains(known)
        || otherBeginnings.contains(where: key.text.lowercased().hasPrefix)
      {
        result[key] = nil
      }
    }
    return result
  }

  /// Ignores case and word separators.
  private static func normalized(_ key: String) -> String {
    key.lowercased().filter { !"_- ".contains($0) }
  }
}

/// Class names as a Python or JSON literal (a list, or a dictionary from or to numbers), as lines,
/// or separated by commas. Nothing is evaluated.
struct ClassList {
  /// By index; empty for an index without a name.
  private(set) var names: [String]?
  /// The same for a dictionary from names to numbers.
  private(set) var namesByNumber: [String]?

  private static let limit = 1_000_000

  init?(_ text: String) {
    var parser = LiteralParser(text)
    guard let first = parser.peek() else { return nil }
    guard "{[(".unicodeScalars.contains(first) else {
      let separator: Character = text.contains(where: \.isNewline) ? "\n" : ","
      let parts = text.split(omittingEmptySubsequences: false) {
        separator == "\n" ? $0.isNewline : $0 == separator
      }.map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
      let found = Array(parts.reversed().drop { $0.isEmpty }.reversed())
      guard found.count > 1, found.count <= ClassList.limit else { return nil }
      names = found
      return
    }
    guard let entries = parser.entries(limit: ClassList.limit) else { return nil }
    var byIndex: [Int: String] = [:]
    var byName: [Int: String] = [:]
    for (position, entry) in entries.enumerated() {
      switch (entry.key, entry.value) {
      case (nil, .text(let name)): byIndex[position] = name
      case (.number(let number)?, .text(let name)): byIndex[number] = name
      case (.text(let key)?, .text(let name)):
        guard let number = Int(key) else { return nil }
        byIndex[number] = name
      case (.text(let name)?, .number(let number)): byName[number] = name
      default: return nil
      }
    }
    names = ClassList.list(byIndex)
    namesByNumber = ClassList.list(byName)
  }

  private static func list(_ names: [Int: String]) -> [String]? {
    guard let last = names.keys.max(), let first = names.keys.min(), first >= 0, last < limit
    else { return nil }
    return (0...last).map { names[$0] ?? "" }
  }

  /// A dictionary as Python writes it.
  static func dictionaryText(_ names: [String]) -> String {
    let entries = names.enumerated().map { index, name in
      var text = ""
      for scalar in name.unicodeScalars {
        switch scalar {
        case "\\", "'": text += "\\\(scalar)"
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        default:
          if scalar.value < 0x20 || scalar.value == 0x7f {
            let digits = String(scalar.value, radix: 16)
            text += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
          } else {
            text.unicodeScalars.append(scalar)
          }
        }
      }
      return "\(index): '\(text)'"
    }
    return "{\(entries.joined(separator: ", "))}"
  }
}

/// Parses one list or dictionary of strings and integers in Python or JSON syntax.
private struct LiteralParser {
  enum Item {
    case text(String)
    case number(Int)
  }

  private let scalars: [Unicode.Scalar]
  private var position = 0

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  /// The next character other than white space.
  mutating func peek() -> Unicode.Scalar? {
    while position < scalars.count, scalars[position].properties.isWhitespace { position += 1 }
    return position < scalars.count ? scalars[position] : nil
  }

  /// The entries up to the end of the text, with keys for a dictionary; `nil` if it is neither.
  mutating func entries(limit: Int) -> [(key: Item?, value: Item)]? {
    let pairs: [Unicode.Scalar: Unicode.Scalar] = ["{": "}", "[": "]", "(": ")"]
    guard let open = peek(), let close = pairs[open] else { return nil }
    position += 1
    var entries: [(key: Item?, value: Item)] = []
    while let next = peek(), next != close {
      guard entries.count < limit, let first = item() else { return nil }
      if open == "{" {
        guard consume(":"), let value = item() else { return nil }
        entries.append((first, value))
      } else {
        entries.append((nil, first))
      }
      guard consume(",") || peek() == close else { return nil }
    }
    guard consume(close), peek() == nil, !entries.isEmpty else { return nil }
    return entries
  }

  private mutating func consume(_ scalar: Unicode.Scalar) -> Bool {
    guard peek() == scalar else { return false }
    position += 1
    return true
  }

  private mutating func item() -> Item? {
    guard let first = peek() else { return nil }
    if first == "'" || first == "\"" { return string(endingWith: first).map { .text($0) } }
    var digits = ""
    while position < scalars.count, "+-0123456789".unicodeScalars.contains(scalars[position]) {
      digits.unicodeScalars.append(scalars[position])
      position += 1
    }
    return Int(digits).map { .number($0) }
  }

  private mutating func string(endingWith quote: Unicode.Scalar) -> String? {
    position += 1
    var text = String.UnicodeScalarView()
    while position < scalars.count {
      let scalar = scalars[position]
      position += 1
      if scalar == quote { return String(text) }
      guard scalar == "\\" else {
        text.append(scalar)
        continue
      }
      guard let escaped = escape() else { return nil }
      text.append(escaped)
    }
    return nil
  }

  private mutating func escape() -> Unicode.Scalar? {
    guard position < scalars.count else { return nil }
    let kind = scalars[position]
    position += 1
    switch kind {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "b": return "\u{8}"
    case "f": return "\u{c}"
    case "\\", "'", "\"", "/": return kind
    case "x": return hexadecimal(2).flatMap(Unicode.Scalar.init)
    case "U": return hexadecimal(8).flatMap(Unicode.Scalar.init)
    case "u":
      guard let unit = hexadecimal(4) else { return nil }
      guard (0xd800..<0xdc00).contains(unit) else { return Unicode.Scalar(unit) }
      // JSON encodes characters beyond 0xffff as two units.
      guard position + 1 < scalars.count, scalars[position] == "\\", scalars[position + 1] == "u"
      else { return nil }
      position += 2
      guard let low = hexadecimal(4), (0xdc00..<0xe000).contains(low) else { return nil }
      return Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
    default: return nil
    }
  }

  private mutating func hexadecimal(_ count: Int) -> UInt32? {
    guard position + count <= scalars.count else { return nil }
    var digits = ""
    for scalar in scalars[position..<position + count] { digits.unicodeScalars.append(scalar) }
    position += count
    return UInt32(digits, radix: 16)
  }
}
