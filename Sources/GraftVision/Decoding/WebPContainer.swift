import GraftFiles

/// The chunks of a WebP file.
///
/// Source: <https://developers.google.com/speed/webp/docs/riff_container>
struct WebPContainer {
  struct Chunk {
    let name: String
    let payload: ByteReader
  }

  /// The first image of an animation, and its position on the canvas.
  struct Frame {
    let x: Int
    let y: Int
    let width: Int
    let height: Int
    /// The image's own chunks, which libwebp reads without a file header.
    let data: UnsafeRawBufferPointer
  }

  private let reader: ByteReader

  init(_ bytes: UnsafeRawBufferPointer) {
    reader = ByteReader(bytes, .little)
  }

  /// The first chunk with this name, if the file reaches that far.
  func chunk(named name: String) -> Chunk? {
    var offset = 12
    while let chunk = chunk(at: offset) {
      if chunk.name == name { return chunk }
      offset += 8 + chunk.payload.count + chunk.payload.count % 2
    }
    return nil
  }

  private func chunk(at offset: Int) -> Chunk? {
    guard let name = try? reader.slice(at: offset, count: 4),
      let byteCount = try? reader.uint32(at: offset + 4),
      let payload = try? reader.slice(at: offset + 8, count: byteCount)
    else { return nil }
    return Chunk(name: String(decoding: name.bytes, as: UTF8.self), payload: payload)
  }

  /// The canvas of an animation; `nil` for a still image.
  ///
  /// - Throws: `GraftError` if the header is truncated
  func animationCanvas() throws -> ImageSize? {
    guard reader.hasText("VP8X", at: 12) else { return nil }
    let header = try reader.slice(at: 20, count: 10)
    let animationFlag = 0x02
    guard try header.uint8(at: 0) & animationFlag != 0 else { return nil }
    return ImageSize(width: try header.uint24(at: 4) + 1, height: try header.uint24(at: 7) + 1)
  }

  /// - Throws: `GraftError` if there is none, or if its header is truncated
  func firstFrame() throws -> Frame {
    guard let payload = chunk(named: "ANMF")?.payload else {
      throw GraftError.badData("it has no complete frame")
    }
    return Frame(
      x: try payload.uint24(at: 0) * 2, y: try payload.uint24(at: 3) * 2,
      width: try payload.uint24(at: 6) + 1, height: try payload.uint24(at: 9) + 1,
      data: try payload.suffix(from: 16).bytes)
  }
}
