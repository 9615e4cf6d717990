/// File names are bytes, of which only 0 and `/` are special; text is Unicode. Graft represents a
/// name as text that converts back to the same bytes.
///
/// A valid UTF-8 name is that text. An invalid byte 0xNN becomes the private-use character U+10F7NN
/// (0x80 to 0xFF), and so do the bytes of such characters in a name. Different names therefore have
/// different texts.
extension String {
  /// The text of a name from the system: a folder's entry, an argument, an environment variable.
  package init(fileName bytes: some Collection<UInt8>) {
    if let text = String(validating: bytes, as: UTF8.self), !text.holdsEscapedBytes {
      self = text
      return
    }
    var text = ""
    var rest = Array(bytes)[...]
    while !rest.isEmpty {
      var iterator = rest.makeIterator()
      var parser = Unicode.UTF8.ForwardParser()
      let length: Int
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let scalar = UTF8.decode(encoded)
        length = encoded.count
        if EscapedByte.scalars.contains(scalar) {
          text.unicodeScalars.append(contentsOf: rest.prefix(length).map(EscapedByte.scalar))
        } else {
          text.unicodeScalars.append(scalar)
        }
      case .error(let invalid):
        length = invalid
        text.unicodeScalars.append(contentsOf: rest.prefix(length).map(EscapedByte.scalar))
      case .emptyInput: length = rest.count
      }
      rest = rest.dropFirst(length)
    }
    self = text
  }

  /// Like ``init(fileName:)-(Collection)``, for zero-terminated bytes.
  package init(fileName: UnsafePointer<CChar>) {
    var length = 0
    while fileName[length] != 0 { length += 1 }
    self.init(
      fileName: UnsafeRawBufferPointer(start: UnsafeRawPointer(fileName), count: length))
  }

  /// The bytes of the name.
  package var fileNameBytes: [UInt8] {
    guard holdsEscapedBytes else { return Array(utf8) }
    var bytes: [UInt8] = []
    for scalar in unicodeScalars {
      if let byte = EscapedByte.byte(scalar) {
        bytes.append(byte)
      } else {
        bytes += String(scalar).utf8
      }
    }
    return bytes
  }

  /// Calls `body` with the zero-terminated name.
  package func withFileName<Result>(
    _ body: (UnsafePointer<CChar>) throws -> Result
  ) rethrows -> Result {
    guard holdsEscapedBytes else { return try withCString(body) }
    return try (fileNameBytes + [0]).withUnsafeBytes { bytes in
      try body(bytes.assumingMemoryBound(to: CChar.self).baseAddress!)
    }
  }

  private var holdsEscapedBytes: Bool {
    // All of them start with this byte, which hardly any other text has.
    utf8.contains(0xf4) && unicodeScalars.contains { EscapedByte.scalars.contains($0) }
  }
}

/// A byte represented as a character.
private enum EscapedByte {
  static let scalars: ClosedRange<Unicode.Scalar> = "\u{10F780}"..."\u{10F7FF}"
  private static let base: UInt32 = 0x10f700

  /// - Precondition: the byte is not ASCII
  static func scalar(_ byte: UInt8) -> Unicode.Scalar {
    Unicode.Scalar(base + UInt32(byte))!
  }

  static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
    scalars.contains(scalar) ? UInt8(scalar.value - base) : nil
  }
}

extension Unicode.Scalar {
  /// The byte of a file name that the character represents; `nil` for ordinary characters.
  package var fileNameByte: UInt8? { EscapedByte.byte(self) }
}
