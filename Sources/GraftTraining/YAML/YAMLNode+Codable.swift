/// The same values as JSON.
extension YAMLNode: Codable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private static var plainTypes: [any (Codable & LosslessStringConvertible).Type] {
    [Bool.self, Int.self, UInt64.self, Double.self]
  }

  init(from decoder: any Decoder) throws {
    if let values = try? decoder.container(keyedBy: Key.self) {
      self = .mapping(
        try values.allKeys.map {
          Property(key: $0.stringValue, value: try values.decode(YAMLNode.self, forKey: $0))
        })
    } else if let elements = try? [YAMLNode](from: decoder) {
      self = .sequence(elements)
    } else {
      let value = try decoder.singleValueContainer()
      if let text = try? value.decode(String.self) {
        self = .scalar(text, isPlain: false)
      } else if value.decodeNil() {
        self = .null
      } else {
        let plain = YAMLNode.plainTypes.lazy.compactMap { try? value.decode($0) }.first
        self = .scalar((plain ?? "").description, isPlain: true)
      }
    }
  }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .mapping(let properties):
      var values = encoder.container(keyedBy: Key.self)
      for property in properties {
        try values.encode(property.value, forKey: Key(stringValue: property.key))
      }
    case .sequence(let elements): try elements.encode(to: encoder)
    case .null:
      var value = encoder.singleValueContainer()
      try value.encodeNil()
    case .scalar(let text, let isPlain):
      let plain = isPlain ? YAMLNode.plainTypes.lazy.compactMap { $0.init(text) }.first : nil
      try (plain ?? text).encode(to: encoder)
    }
  }
}
