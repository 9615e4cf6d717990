import GraftFiles

/// Reads JSON from its start to its end, token by token.
///
/// Also takes `NaN`, `Infinity` and `-Infinity`, which Python writes.
/// Specification: <https://www.rfc-editor.org/rfc/rfc8259>
struct JSONScanner {
  private let bytes: UnsafeRawBufferPointer
  var position = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
  }

  /// - Returns: an error at the current line
  func error(_ reason: String) -> GraftError {
    let line = bytes[..<min(position, bytes.count)].count { $0 == UInt8(ascii: "\n") } + 1
    return .badData("is not valid: \(reason) in line \(line)")
  }

  /// The next character that is not white space; `nil` at the end.
  mutating func peek() -> UInt8? {
    while position < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[position]) {
      position += 1
    }
    return position < bytes.count ? bytes[position] : nil
  }

  /// Skips a character if it is the next one.
  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws {
    guard skip(character) else { throw error("there is no '\(character)'") }
  }

  mutating func requireEnd() throws {
    guard peek() == nil else { throw error("something follows the end") }
  }

  /// Skips a word such as `null` if it is next.
  mutating func skip(word: String) -> Bool {
    guard peek() != nil, bytes[position...].starts(with: word.utf8) else { return false }
    position += word.utf8.count
    return true
  }

  /// Whether a number, or one of the words for numbers, is next.
  mutating func isAtNumber() -> Bool {
    guard let character = peek() else { return false }
    return "-0123456789NI".utf8.contains(character)
  }

  /// The text of a number.
  mutating func number() throws -> String {
    for word in ["NaN", "Infinity", "-Infinity"] where skip(word: word) { return word }
    let start = position
    func isDigit(_ place: Int) -> Bool {
      place < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place])
    }
    func isNext(_ characters: String) -> Bool {
      position < bytes.count && characters.utf8.contains(bytes[position])
    }
    func digits() throws {
      guard isDigit(position) else { throw error("a number is cut off") }
      while isDigit(position) { position += 1 }
    }
    if isNext("-") { position += 1 }
    if isNext("0"), isDigit(position + 1) { throw error("a number begins with 0") }
    try digits()
    if isNext(".") {
      position += 1
      try digits()
    }
    if isNext("eE") {
      position += 1
      if isNext("+-") { position += 1 }
      try digits()
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  mutating func string() throws -> String {
    try expect("\"")
    var text: [UInt8] = []
    while true {
      let start = position
      while position < bytes.count, bytes[position] >= 0x20,
        bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\")
      {
        position += 1
      }
      text += bytes[start..<position]
      guard position < bytes.count, bytes[position] >= 0x20 else {
        throw error("a string is cut off, or has a control character,")
      }
      position += 1
      if bytes[position - 1] == UInt8(ascii: "\"") { break }
      try appendEscape(to: &text)
    }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func appendEscape(to text: inout [UInt8]) throws {
    guard position < bytes.count else { throw error("a string is cut off") }
    let character = bytes[position]
    position += 1
    switch character {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(character)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var value = try hexadecimal()
      // Two surrogates are one character.
      if (0xd800...0xdbff).contains(value), skipDirectly("\\u") {
        let low = try hexadecimal()
        guard (0xdc00...0xdfff).contains(low) else { throw error("half of a surrogate pair is") }
        value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair is") }
      text += Array(String(scalar).utf8)
    default: throw error("there is an unknown escape")
    }
  }

  private mutating func skipDirectly(_ text: String) -> Bool {
    guard bytes[position...].starts(with: text.utf8) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard position + 4 <= bytes.count,
      bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let value = UInt32(
        String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw error("there is an escape without four digits") }
    position += 4
    return value
  }

  /// Skips any value.
  mutating func skipValue(depth: Int = 0) throws {
    guard depth < JSONValueFile.depthLimit else { throw error("there are too many levels") }
    switch peek() {
    case UInt8(ascii: "["):
      try forEachElement { scanner in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "{"):
      try forEachMember { scanner, _ in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try string()
    default:
      for word in ["true", "false", "null"] where skip(word: word) { return }
      guard isAtNumber() else { throw error("there is no value") }
      _ = try number()
    }
  }

  /// Reads an array.
  ///
  /// - Parameter body: reads an element
  mutating func forEachElement(_ body: (inout JSONScanner) throws -> Void) throws {
    try expect("[")
    if skip("]") { return }
    repeat { try body(&self) } while skip(",")
    try expect("]")
  }

  /// Reads an object.
  ///
  /// - Parameter body: reads the value of a member with this name
  mutating func forEachMember(_ body: (inout JSONScanner, String) throws -> Void) throws {
    try expect("{")
    if skip("}") { return }
    repeat {
      guard peek() == UInt8(ascii: "\"") else { throw error("a member has no name") }
      let name = try string()
      try expect(":")
      try body(&self, name)
    } while skip(",")
    try expect("}")
  }
}
