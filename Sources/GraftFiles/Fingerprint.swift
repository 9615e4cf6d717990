/// A 64-bit hash that detects damage at the speed of memory; it does not protect against malice.
///
/// Bytes are hashed in pieces of ``pieceByteCount``, so that threads can share the work; then the
/// pieces' hashes are hashed. A change within one word is always detected.
package struct Fingerprint: Hashable, Sendable {
  package let value: UInt64

  package static let pieceByteCount = 1 << 20

  package init(value: UInt64) { self.value = value }

  package init(_ bytes: UnsafeRawBufferPointer) {
    let pieces = (0..<Fingerprint.pieceCount(bytes.count)).map {
      Fingerprint.hash(ofPiece: $0, of: bytes)
    }
    self.init(pieces: pieces, byteCount: bytes.count)
  }

  package init(_ bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { Fingerprint($0) }
  }

  /// Combines the hashes of ``hash(ofPiece:of:)``.
  package init(pieces: [UInt64], byteCount: Int) {
    let combined = pieces.withUnsafeBytes { Fingerprint.hash($0) }
    value = Fingerprint.mixed(combined ^ UInt64(truncatingIfNeeded: byteCount))
  }

  package static func pieceCount(_ byteCount: Int) -> Int {
    (byteCount + pieceByteCount - 1) / pieceByteCount
  }

  package static func hash(ofPiece piece: Int, of bytes: UnsafeRawBufferPointer) -> UInt64 {
    let start = piece * pieceByteCount
    let end = min(start + pieceByteCount, bytes.count)
    return hash(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
  }

  private static let factor: UInt64 = 0x9e37_79b9_7f4a_7c15

  /// Adds `word`; different words lead to different states.
  @inline(__always)
  private static func step(_ state: UInt64, _ word: UInt64) -> UInt64 {
    let product = (state ^ word) &* factor
    return product << 29 | product >> 35
  }

  private static func mixed(_ state: UInt64) -> UInt64 {
    var state = state
    state = (state ^ state >> 32) &* factor
    state = (state ^ state >> 29) &* factor
    return state ^ state >> 32
  }

  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let start = bytes.baseAddress else { return factor }
    // Enough chains to keep a multiplier busy.
    var (a, b, c, d) = (factor, factor &* 3, factor &* 5, factor &* 7)
    var (e, f, g, h) = (factor &* 9, factor &* 11, factor &* 13, factor &* 15)
    var offset = 0
    let end = bytes.count
    func word(_ offset: Int) -> UInt64 {
      start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    while offset + 64 <= end {
      a = step(a, word(offset))
      b = step(b, word(offset + 8))
      c = step(c, word(offset + 16))
      d = step(d, word(offset + 24))
      e = step(e, word(offset + 32))
      f = step(f, word(offset + 40))
      g = step(g, word(offset + 48))
      h = step(h, word(offset + 56))
      offset += 64
    }
    while offset < end {
      a = step(a, UInt64(start.load(fromByteOffset: offset, as: UInt8.self)))
      offset += 1
    }
    var state = UInt64(truncatingIfNeeded: bytes.count)
    for lane in [a, b, c, d, e, f, g, h] { state = mixed(step(state, lane)) }
    return state
  }
}
