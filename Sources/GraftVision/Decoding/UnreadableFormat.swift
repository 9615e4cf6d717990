/// Unsupported image formats, recognized for better messages.
enum UnreadableFormat {
  private static let signatures: [(name: String, offset: Int, text: [UInt8])] = [
    ("GIF", 0, Array("GIF8".utf8)), ("TIFF", 0, [0x49, 0x49, 0x2a, 0]),
    ("TIFF", 0, [0x4d, 0x4d, 0, 0x2a]), ("BigTIFF", 0, [0x49, 0x49, 0x2b, 0]),
    ("BigTIFF", 0, [0x4d, 0x4d, 0, 0x2b]), ("JPEG 2000", 4, Array("jP  \r\n".utf8)),
    ("JPEG 2000", 0, [0xff, 0x4f, 0xff, 0x51]), ("JPEG XL", 0, [0xff, 0x0a]),
    ("JPEG XL", 4, Array("JXL \r\n".utf8)), ("AVIF", 4, Array("ftypavi".utf8)),
    ("HEIF", 4, Array("ftyphei".utf8)), ("HEIF", 4, Array("ftyphev".utf8)),
    ("HEIF", 4, Array("ftypmif1".utf8)), ("HEIF", 4, Array("ftypmsf1".utf8)),
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
