/// Unsupported image formats, recognized for better messages.
enum UnreadableFormat {
  private static let signatures: [(name: String, offset: Int, text: [UInt8])] = [
    ("JPEG XL", 0, [0xff, 0x0a]), ("JPEG XL", 4, Array("JXL \r\n".utf8)),
    ("ICO", 0, [0, 0, 1, 0]), ("ICO", 0, [0, 0, 2, 0]), ("Photoshop", 0, Array("8BPS".utf8)),
    ("QOI", 0, Array("qoif".utf8)), ("OpenEXR", 0, [0x76, 0x2f, 0x31, 0x01]),
    ("DDS", 0, Array("DDS ".utf8)), ("PAM", 0, Array("P7\n".utf8)),
    ("PFM", 0, Array("PF\n".utf8)), ("PFM", 0, Array("Pf\n".utf8)),
    ("DICOM", 128, Array("DICM".utf8)), ("SVG", 0, Array("<svg".utf8)),
  ]

  /// The format by a file's first bytes; `nil` for any other file.
  static func name(of bytes: UnsafeRawBufferPointer) -> String? {
    signatures.first { bytes.dropFirst($0.offset).starts(with: $0.text) }?.name
  }
}
