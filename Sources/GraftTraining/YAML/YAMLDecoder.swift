import GraftFiles

/// Decodes values from YAML.
enum YAMLDecoder {
  /// - Throws: `GraftError` if the text is not YAML; errors from decoding `type`; `DecodingError`
  ///   for a value of the wrong kind: `typeMismatch` with `YAMLNode`, `[YAMLNode]` or
  ///   `[String: YAMLNode]` where a single value, a list or properties are expected
  static func decode<Value: Decodable>(
    _ type: Value.Type, from yaml: String
  ) throws -> Value {
    try NodeDecoder(node: YAMLNode(yaml: yaml), codingPath: []).decode(type)
  }
}

/// A value that is a scalar in YAML.
protocol YAMLScalar {
  /// - Parameter isPlain: whether the scalar has no quotes
  init?(yaml: String, isPlain: Bool)
  var yaml: String { get }
}

extension String: YAMLScalar {
  init(yaml: String, isPlain: Bool) { self = yaml }
  var yaml: String { YAMLText.quoted(self) }
}

extension Bool: YAMLScalar {
  init?(yaml: String, isPlain: Bool) {
    guard isPlain else { return nil }
    switch yaml.lowercased() {
    case "true", "yes", "on": self = true
    case "false", "no", "off": self = false
    default: return nil
    }
  }

  var yaml: String { "\(self)" }
}

extension Int: YAMLScalar {}
extension UInt64: YAMLScalar {}

extension YAMLScalar where Self: FixedWidthInteger {
  init?(yaml: String, isPlain: Bool) {
    var digits = yaml.filter { $0 != "_" }[...]
    let sign = digits.first == "-" ? "-" : ""
    if digits.first == "-" || digits.first == "+" { digits.removeFirst() }
    guard isPlain, let first = digits.first, first != "-", first != "+" else { return nil }
    // In YAML 1.1, a leading zero marks octal digits.
    let radixes = [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)]
    let (prefix, radix) =
      digits == "0" ? ("", 10) : radixes.first { digits.hasPrefix($0.0) } ?? ("", 10)
    self.init(sign + digits.dropFirst(prefix.count), radix: radix)
  }

  var yaml: String { "\(self)" }
}

extension Double: YAMLScalar {
  init?(yaml: String, isPlain: Bool) {
    guard isPlain else { return nil }
    switch yaml.lowercased() {
    case ".inf", "+.inf": self = .infinity
    case "-.inf": self = -.infinity
    case ".nan": self = .nan
    default: self.init(yaml.filter { $0 != "_" })
    }
  }

  /// The shortest digits of this number, without an exponent where few zeros are needed.
  var yaml: String {
    guard isFinite else { return isNaN ? ".nan" : self < 0 ? "-.inf" : ".inf" }
    guard self == 0 || (1e-40...1e40).contains(magnitude) else { return "\(self)" }
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

private struct NodeDecoder: Decoder, SingleValueDecodingContainer {
  let node: YAMLNode
  let codingPath: [any CodingKey]
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .mapping(let entries) = node else { throw mismatch([String: YAMLNode].self) }
    return KeyedDecodingContainer(
      MappingDecoder<Key>(
        entries: Dictionary(uniqueKeysWithValues: entries.map { (ByteString($0.key), $0.value) }),
        allKeys: entries.compactMap { Key(stringValue: $0.key) }, codingPath: codingPath))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .sequence(let nodes) = node else { throw mismatch([YAMLNode].self) }
    return SequenceDecoder(nodes: nodes, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueDecodingContainer { self }

  func decodeNil() -> Bool {
    guard case .scalar(let text, isPlain: true) = node else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    guard let scalar = type as? any YAMLScalar.Type else { return try Value(from: self) }
    guard case .scalar(let text, let isPlain) = node else { throw mismatch(YAMLNode.self) }
    guard let value = scalar.init(yaml: text, isPlain: isPlain) as? Value else {
      throw mismatch(type)
    }
    return value
  }

  private func mismatch(_ type: any Any.Type) -> DecodingError {
    .typeMismatch(type, .init(codingPath: codingPath, debugDescription: "is not a \(type)"))
  }
}

private struct MappingDecoder<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let entries: [ByteString: YAMLNode]
  let allKeys: [Key]
  let codingPath: [any CodingKey]

  func contains(_ key: Key) -> Bool { entries[key.stringValue] != nil }
  func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }

  func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
    try decoder(key).decode(type)
  }

  func nestedContainer<Nested>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try decoder(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try decoder(key).unkeyedContainer()
  }

  func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

  func superDecoder() throws -> any Decoder {
    NodeDecoder(node: .mapping([]), codingPath: codingPath)
  }

  private func decoder(_ key: Key) throws -> NodeDecoder {
    guard let node = entries[key.stringValue] else {
      throw DecodingError.keyNotFound(
        key, .init(codingPath: codingPath, debugDescription: "'\(key.stringValue)' is missing"))
    }
    return NodeDecoder(node: node, codingPath: codingPath + [key])
  }
}

private struct SequenceDecoder: UnkeyedDecodingContainer {
  struct Index: CodingKey {
    let intValue: Int?
    var stringValue: String { "\(intValue ?? 0)" }
    init(intValue: Int) { self.intValue = intValue }
    init?(stringValue: String) { return nil }
  }

  let nodes: [YAMLNode]
  let codingPath: [any CodingKey]
  private(set) var currentIndex = 0

  init(nodes: [YAMLNode], codingPath: [any CodingKey]) {
    self.nodes = nodes
    self.codingPath = codingPath
  }

  var count: Int? { nodes.count }
  var isAtEnd: Bool { currentIndex == nodes.count }

  mutating func decodeNil() throws -> Bool {
    let isNil = try decoder().decodeNil()
    if isNil { currentIndex += 1 }
    return isNil
  }

  mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let value = try decoder().decode(type)
    currentIndex += 1
    return value
  }

  mutating func nestedContainer<Nested>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    let container = try decoder().container(keyedBy: type)
    currentIndex += 1
    return container
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    let container = try decoder().unkeyedContainer()
    currentIndex += 1
    return container
  }

  mutating func superDecoder() throws -> any Decoder {
    let decoder = try decoder()
    currentIndex += 1
    return decoder
  }

  private func decoder() throws -> NodeDecoder {
    let path = codingPath + [Index(intValue: currentIndex)]
    guard !isAtEnd else {
      throw DecodingError.valueNotFound(
        YAMLNode.self, .init(codingPath: path, debugDescription: "the list is too short"))
    }
    return NodeDecoder(node: nodes[currentIndex], codingPath: path)
  }
}
