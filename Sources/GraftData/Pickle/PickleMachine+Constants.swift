extension PickleMachine {
  /// Executes the instructions that push a constant.
  ///
  /// - Returns: false for other instructions
  mutating func pushConstant(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "N"): push(.none)
    case 0x88: push(.bool(true))
    case 0x89: push(.bool(false))

    case UInt8(ascii: "I"): push(try integerLine())
    case UInt8(ascii: "L"): push(.integer(try input.decimalLine()))
    case UInt8(ascii: "J"): push(.integer(try input.signed(byteCount: 4)))
    case UInt8(ascii: "K"): push(.integer(try input.unsigned(byteCount: 1)))
    case UInt8(ascii: "M"): push(.integer(try input.unsigned(byteCount: 2)))
    case 0x8a:  // LONG1
      push(.integer(try input.signed(byteCount: Int(input.byte()))))

    case UInt8(ascii: "S"): push(.bytes(try quotedLine()))
    case UInt8(ascii: "T"): push(.bytes(try counted(4)))
    case UInt8(ascii: "U"): push(.bytes(try counted(1)))
    case UInt8(ascii: "B"): push(.bytes(try counted(4)))
    case UInt8(ascii: "C"): push(.bytes(try counted(1)))
    case 0x8e: push(.bytes(try counted(8)))  // BINBYTES8

    case UInt8(ascii: "V"): push(.text(try escapedLine()))
    case UInt8(ascii: "X"): push(.text(try counted(4)))
    case 0x8c: push(.text(try counted(1)))  // SHORT_BINUNICODE
    case 0x8d: push(.text(try counted(8)))  // BINUNICODE8
    default: return false
    }
    return true
  }

  /// Bytes after their count.
  private mutating func counted(_ widthOfCount: Int) throws -> FileBytes {
    try input.read(input.unsigned(byteCount: widthOfCount))
  }

  /// A decimal number; `00` and `01` are false and true.
  private mutating func integerLine() throws -> PickleValue {
    let text = try input.line().text
    switch text {
    case "00": return .bool(false)
    case "01": return .bool(true)
    default:
      guard let number = Int(text) else { throw input.damaged() }
      return .integer(number)
    }
  }

  /// A string in the notation of Python 2's `repr`.
  private mutating func quotedLine() throws -> FileBytes {
    let quoted = try input.line().withUnsafeBytes { Array($0) }
    guard quoted.count > 1, quoted.first == quoted.last,
      quoted[0] == UInt8(ascii: "'") || quoted[0] == UInt8(ascii: "\"")
    else { throw input.damaged() }
    var result: [UInt8] = []
    var rest = quoted[1..<quoted.count - 1]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      guard let escaped = rest.popFirst() else { throw input.damaged() }
      switch escaped {
      case UInt8(ascii: "n"): result.append(0x0a)
      case UInt8(ascii: "r"): result.append(0x0d)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(escaped)
      case UInt8(ascii: "x"):
        guard let code = Self.hexadecimal(rest.prefix(2)), rest.count >= 2 else {
          throw input.damaged()
        }
        result.append(UInt8(truncatingIfNeeded: code))
        rest = rest.dropFirst(2)
      default: throw input.damaged()
      }
    }
    return try FileBytes(copying: result)
  }

  /// Text in Python's `raw-unicode-escape` encoding: bytes are characters up to U+00FF.
  private mutating func escapedLine() throws -> FileBytes {
    var rest = try input.line().withUnsafeBytes { Array($0)[...] }
    var result = ""
    while let byte = rest.popFirst() {
      let digitCount =
        switch (byte, rest.first) {
        case (UInt8(ascii: "\\"), UInt8(ascii: "u")): 4
        case (UInt8(ascii: "\\"), UInt8(ascii: "U")): 8
        default: 0
        }
      guard digitCount > 0 else {
        result.unicodeScalars.append(UnicodeScalar(byte))
        continue
      }
      let digits = rest.dropFirst().prefix(digitCount)
      guard digits.count == digitCount, let code = Self.hexadecimal(digits),
        let scalar = UnicodeScalar(code)
      else { throw input.damaged() }
      result.unicodeScalars.append(scalar)
      rest = rest.dropFirst(1 + digitCount)
    }
    return try FileBytes(copying: Array(result.utf8))
  }

  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt32? {
    guard digits.first != UInt8(ascii: "+") else { return nil }
    return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
