import GraftFiles

/// Finds XMP packets in image files. Damaged files count as having none.
///
/// Source: XMP specification, part 3, <https://github.com/adobe/XMP-Toolkit-SDK/tree/main/docs>
enum XMPLocator {
  /// The APP1 segment with the name of XMP's namespace.
  static func inJPEG(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    let name: StaticString = "http://ns.adobe.com/xap/1.0/\0"
    return JPEGSegments.applicationSegments1(of: bytes).first { $0.hasText(name) }
      .map { Array($0.bytes.dropFirst(name.utf8CodeUnitCount)) }
  }

  /// The text with XMP's keyword.
  static func inPNG(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    PNGText.find("XML:com.adobe.xmp", in: bytes)
  }

  /// The `XMP ` chunk.
  static func inWebP(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    WebPContainer(bytes).chunk(named: "XMP ").map { Array($0.payload.bytes) }
  }
}
