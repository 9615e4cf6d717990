import CGraftShims
import GraftFiles

/// Texts in PNG files: chunks tEXt, zTXt and iTXt.
///
/// Source: <https://www.w3.org/TR/png/>, 11.3.3
enum PNGText {
  /// Larger texts are ignored.
  private static let byteLimit = 1 << 20

  /// The first complete text with a keyword; `nil` if there is none.
  static func find(_ keyword: String, in bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    for chunk in PNGChunks(bytes) where chunk.isComplete {
      guard ["tEXt", "zTXt", "iTXt"].contains(chunk.name) else { continue }
      let fields = chunk.payload.bytes
      guard fields.starts(with: Array(keyword.utf8) + [0]) else { continue }
      let rest = fields.dropFirst(keyword.utf8.count + 1)
      if let text = text(rest, chunkName: chunk.name) { return text }
    }
    return nil
  }

  /// - Parameter fields: the fields after the keyword
  private static func text(_ fields: Slice<UnsafeRawBufferPointer>, chunkName: String) -> [UInt8]? {
    switch chunkName {
    case "tEXt": return Array(fields)
    // The compression method, of which there is only one.
    case "zTXt": return fields.first == 0 ? unpacked(fields.dropFirst()) : nil
    default:
      guard fields.count >= 2 else { return nil }
      let isPacked = fields[fields.startIndex] == 1
      // A language and the translated keyword, both zero-terminated.
      var rest = fields.dropFirst(2)
      for _ in 0..<2 {
        guard let end = rest.firstIndex(of: 0) else { return nil }
        rest = rest[(end + 1)...]
      }
      return isPacked ? unpacked(rest) : Array(rest)
    }
  }

  private static func unpacked(_ packed: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
    let packed = UnsafeRawBufferPointer(rebasing: packed)
    var count = 0
    guard
      let bytes = graft_png_inflate(
        packed.bindMemory(to: UInt8.self).baseAddress, packed.count, byteLimit, &count)
    else { return nil }
    defer { free(bytes) }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }
}
