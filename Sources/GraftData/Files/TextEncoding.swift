import GraftFiles

/// The encoding of a text file.
package enum TextEncoding: String, Sendable {
  case utf8 = "UTF-8"
  case utf16 = "UTF-16"
  /// The Western code page of Windows, which Excel uses for "CSV".
  case windows1252 = "Windows-1252"

  /// Converts bytes to UTF-8 without a byte order mark, and returns their encoding. UTF-16 is
  /// recognized by a mark or by zeros. Anything else that is not valid UTF-8 is treated as
  /// Windows-1252.
  ///
  /// - Throws: `GraftError` if the file is not text
  package static func decode(
    _ bytes: FileBytes
  ) throws -> (text: FileBytes, encoding: TextEncoding) {
    let (text, encoding) = try bytes.withUnsafeBytes { bytes -> ([UInt8]?, TextEncoding) in
      if bytes.starts(with: [0xff, 0xfe]) {
        return (try utf16(bytes.dropFirst(2), low: 0), .utf16)
      }
      if bytes.starts(with: [0xfe, 0xff]) {
        return (try utf16(bytes.dropFirst(2), low: 1), .utf16)
      }
      let sample = bytes.prefix(1 << 10)
      if sample.contains(0) {
        let zeros = sample.indices.filter { sample[$0] == 0 }
        guard sample.count >= 4, Set(zeros.map { $0 % 2 }).count == 1,
          zeros.count * 4 > sample.count
        else { throw GraftError.badData("is not a text file") }
        return (try utf16(bytes[...], low: 1 - zeros[0] % 2), .utf16)
      }
      let body = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes.dropFirst(3) : bytes[...]
      if String(validating: body, as: UTF8.self) != nil {
        return (body.count == bytes.count ? nil : Array(body), .utf8)
      }
      return (Array(String(String.UnicodeScalarView(body.map(windows1252))).utf8), .windows1252)
    }
    return (try text.map { try FileBytes(copying: $0) } ?? bytes, encoding)
  }

  /// The text in Windows-1252; `nil` if it has other characters.
  package static func windows1252Bytes(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    for scalar in text.unicodeScalars {
      if let place = high.firstIndex(of: scalar.value) {
        bytes.append(0x80 + UInt8(place))
      } else if let byte = UInt8(exactly: scalar.value) {
        bytes.append(byte)
      } else {
        return nil
      }
    }
    return bytes
  }

  private static func utf16(_ bytes: Slice<UnsafeRawBufferPointer>, low: Int) throws -> [UInt8] {
    let start = bytes.startIndex
    let units = (0..<bytes.count / 2).map { index in
      UInt16(bytes[start + 2 * index + low]) | UInt16(bytes[start + 2 * index + 1 - low]) << 8
    }
    guard bytes.count % 2 == 0, let text = String(validating: units, as: UTF16.self) else {
      throw GraftError.badData("is not valid UTF-16", hint: "Save it as UTF-8")
    }
    return Array(text.utf8)
  }

  private static func windows1252(_ byte: UInt8) -> Unicode.Scalar {
    let value = (0x80..<0xa0).contains(byte) ? high[Int(byte) - 0x80] : UInt32(byte)
    return Unicode.Scalar(value) ?? "\u{fffd}"
  }

  /// The characters of the bytes 0x80 to 0x9f; the five undefined ones are control characters.
  ///
  /// Source: <https://encoding.spec.whatwg.org/#windows-1252>
  private static let high: [UInt32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039,
    0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc,
    0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178,
  ]
}
