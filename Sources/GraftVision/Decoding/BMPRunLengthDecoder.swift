import GraftFiles

/// BMP's run-length encodings RLE8 and RLE4.
///
/// Pixels that are skipped or come after the end marker have index 0.
/// Source: <https://learn.microsoft.com/windows/win32/gdi/bitmap-compression>
struct BMPRunLengthDecoder {
  private let data: UnsafeRawBufferPointer
  private let width: Int
  private let hasHalfBytes: Bool
  private var offset = 0
  /// The position of the next index, in the file's order of rows.
  private var position = 0

  /// The indices as a one-channel image, with rows in the file's order.
  ///
  /// - Throws: `GraftError` if the data end before the image
  static func indices(
    of data: UnsafeRawBufferPointer, width: Int, height: Int, hasHalfBytes: Bool
  ) throws -> Image {
    var decoder = BMPRunLengthDecoder(data: data, width: width, hasHalfBytes: hasHalfBytes)
    return try Image(width: width, height: height, channelCount: 1) { indices in
      try decoder.decode(to: indices)
    }
  }

  private init(data: UnsafeRawBufferPointer, width: Int, hasHalfBytes: Bool) {
    self.data = data
    self.width = width
    self.hasHalfBytes = hasHalfBytes
  }

  private mutating func decode(to indices: UnsafeMutableBufferPointer<UInt8>) throws {
    while position < indices.count {
      let count = try nextByte()
      let value = try nextByte()
      switch (count, value) {
      case (0, 0):
        position = (position + width - 1) / width * width
      case (0, 1):
        return
      case (0, 2):
        position += try nextByte()
        position += try nextByte() * width
      case (0, _):
        try copyIndices(count: value, to: indices)
      default:
        // A run ends at the end of its row.
        let end = min(position + count, (position / width + 1) * width)
        for step in 0..<(end - position) {
          indices[position + step] = index(step, of: value)
        }
        position = end
      }
    }
  }

  private mutating func copyIndices(
    count: Int, to indices: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    var value = 0
    for step in 0..<count {
      if !hasHalfBytes || step % 2 == 0 { value = try nextByte() }
      guard position < indices.count else { return }
      indices[position] = index(step, of: value)
      position += 1
    }
    // Literal data are padded to an even number of bytes.
    let byteCount = hasHalfBytes ? (count + 1) / 2 : count
    offset += byteCount % 2
  }

  private func index(_ step: Int, of value: Int) -> UInt8 {
    guard hasHalfBytes else { return UInt8(truncatingIfNeeded: value) }
    return UInt8(truncatingIfNeeded: step % 2 == 0 ? value >> 4 : value & 0xf)
  }

  private mutating func nextByte() throws -> Int {
    guard offset < data.count else { throw GraftError.badData("it is truncated") }
    defer { offset += 1 }
    return Int(data[offset])
  }
}
