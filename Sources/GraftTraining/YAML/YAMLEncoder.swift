import GraftFiles

/// Writes values as YAML: a line for each property, in the order in which they are encoded.
enum YAMLEncoder {
  static func encode(_ value: some Encodable) throws -> String {
    let root = NodeEncoder(codingPath: [])
    try root.encode(value)
    return root.lines.joined(separator: "\n") + "\n"
  }
}

/// Strings as YAML.
enum YAMLText {
  /// The string as a plain scalar, or quoted if a plain scalar would have another meaning.
  static func quoted(_ text: String) -> String {
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
    return isPlain(text) ? text : "'\(text.replacing(["'": "''"]))'"
  }

  /// Whether printable ASCII characters need no quotes to be read as text.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.first, let last = text.last, first != " ", last != " ", last != ":",
      !"#,[]{}&*!|>'\"%@`".contains(first), !["-", "?", ":"].contains(first) || text.count > 1,
      !text.contains(": "), !text.contains(" #"),
      !["- ", "? ", "---", "..."].contains(where: { text.hasPrefix($0) })
    else { return false }
    let words = ["true", "false", "yes", "no", "on", "off", "null", "~", "<<", "="]
    return !words.contains(text.lowercased()) && !isNumber(text)
  }

  /// Whether a text is a number or a date in some version of YAML.
  private static func isNumber(_ text: String) -> Bool {
    if Double(yaml: text, isPlain: true) != nil || UInt64(yaml: text, isPlain: true) != nil {
      return true
    }
    return "+-.0123456789".contains(text.first ?? " ")
      && text.allSatisfy { "+-.0123456789:_eETZtzxob ".contains($0) }
      && text.contains { "0123456789".contains($0) } && !text.contains("x")
  }
}

/// Collects one value; its elements are encoders themselves.
private final class NodeEncoder: Encoder, SingleValueEncodingContainer, UnkeyedEncodingContainer {
  private enum Content {
    case scalar(String)
    case sequence([NodeEncoder])
    case mapping([(key: String, value: NodeEncoder)])
  }

  let codingPath: [any CodingKey]
  private var content = Content.scalar("null")
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  init(codingPath: [any CodingKey]) { self.codingPath = codingPath }

  var lines: [String] {
    switch content {
    case .scalar(let text): [text]
    case .sequence(let elements):
      elements.isEmpty
        ? ["[]"]
        : elements.flatMap { element in
          element.lines.enumerated().map { ($0 == 0 ? "- " : "  ") + $1 }
        }
    case .mapping(let entries):
      entries.isEmpty
        ? ["{}"]
        : entries.flatMap { key, value in
          value.isInline
            ? ["\(YAMLText.quoted(key)): \(value.lines[0])"]
            : ["\(YAMLText.quoted(key)):"] + value.lines.map { value.indentation + $0 }
        }
    }
  }

  private var isInline: Bool {
    switch content {
    case .scalar: true
    case .sequence(let elements): elements.isEmpty
    case .mapping(let entries): entries.isEmpty
    }
  }

  /// Lists need no indentation before their dashes.
  private var indentation: String {
    if case .mapping = content { "  " } else { "" }
  }

  func container<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    content = .mapping([])
    return KeyedEncodingContainer(MappingEncoder<Key>(encoder: self))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    content = .sequence([])
    return self
  }

  func singleValueContainer() -> any SingleValueEncodingContainer { self }
  func superEncoder() -> any Encoder { element() }
  func encodeNil() { if case .sequence = content { _ = element() } }

  func encode(_ value: some Encodable) throws {
    if case .sequence = content {
      try element().encode(value)
    } else if let scalar = value as? any YAMLScalar {
      content = .scalar(scalar.yaml)
    } else {
      try value.encode(to: self)
    }
  }

  // MARK: Elements

  var count: Int {
    if case .sequence(let elements) = content { elements.count } else { 0 }
  }

  func nestedContainer<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    element().container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { element().unkeyedContainer() }

  private func element() -> NodeEncoder {
    let element = NodeEncoder(codingPath: codingPath)
    if case .sequence(let elements) = content { content = .sequence(elements + [element]) }
    return element
  }

  func property(_ key: any CodingKey) -> NodeEncoder {
    let property = NodeEncoder(codingPath: codingPath + [key])
    if case .mapping(let entries) = content {
      content = .mapping(entries + [(key.stringValue, property)])
    }
    return property
  }
}

private struct MappingEncoder<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let encoder: NodeEncoder
  var codingPath: [any CodingKey] { encoder.codingPath }

  func encodeNil(forKey key: Key) { _ = encoder.property(key) }

  func encode(_ value: some Encodable, forKey key: Key) throws {
    try encoder.property(key).encode(value)
  }

  func nestedContainer<Nested>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    encoder.property(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    encoder.property(key).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { encoder }
  func superEncoder(forKey key: Key) -> any Encoder { encoder.property(key) }
}
