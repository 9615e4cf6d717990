/// The checksums of HDF5.
package enum HDF5Checksum {
  /// Bob Jenkins's lookup3, at the end of version 2 structures.
  ///
  /// Source: <https://burtleburtle.net/bob/c/lookup3.c>, `hashlittle` with an initial value of 0
  package static func lookup3(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    let start = 0xdead_beef &+ UInt32(truncatingIfNeeded: bytes.count)
    var (a, b, c) = (start, start, start)
    var position = 0
    func word(_ index: Int) -> UInt32 {
      let from = position + 4 * index
      return (from..<min(from + 4, bytes.count)).reduce(0) {
        $0 | UInt32(bytes[$1]) << UInt32(8 * ($1 - from))
      }
    }
    while bytes.count - position > 12 {
      a &+= UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
      b &+= UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self))
      c &+= UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 8, as: UInt32.self))
      a = (a &- c) ^ rotated(c, 4)
      c &+= b
      b = (b &- a) ^ rotated(a, 6)
      a &+= c
      c = (c &- b) ^ rotated(b, 8)
      b &+= a
      a = (a &- c) ^ rotated(c, 16)
      c &+= b
      b = (b &- a) ^ rotated(a, 19)
      a &+= c
      c = (c &- b) ^ rotated(b, 4)
      b &+= a
      position += 12
    }
    guard position < bytes.count else { return c }
    a &+= word(0)
    if bytes.count - position > 4 { b &+= word(1) }
    if bytes.count - position > 8 { c &+= word(2) }
    c = (c ^ b) &- rotated(b, 14)
    a = (a ^ c) &- rotated(c, 11)
    b = (b ^ a) &- rotated(a, 25)
    c = (c ^ b) &- rotated(b, 16)
    a = (a ^ c) &- rotated(c, 4)
    b = (b ^ a) &- rotated(a, 14)
    c = (c ^ b) &- rotated(b, 24)
    return c
  }

  private static func rotated(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value << count | value >> (32 - count)
  }

  /// Fletcher's checksum of big-endian 16-bit words, which the filter of that name appends to a
  /// chunk.
  static func fletcher32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var (first, second): (UInt32, UInt32) = (0, 0)
    func fold(_ sum: UInt32) -> UInt32 { (sum & 0xffff) + (sum >> 16) }
    var position = 0
    while position < bytes.count {
      // The sums of 360 words do not overflow.
      let end = min(position + 720, bytes.count)
      while position < end {
        let low = position + 1 < bytes.count ? UInt32(bytes[position + 1]) : 0
        first += UInt32(bytes[position]) << 8 | low
        second += first
        position += 2
      }
      (first, second) = (fold(first), fold(second))
    }
    (first, second) = (fold(first), fold(second))
    return second << 16 | first
  }
}
