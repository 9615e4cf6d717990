/// Damage to the bytes of a file, independent of its format.
package enum ByteMutation {
  /// - Parameter other: another file of the same kind, to splice parts from
  package static func apply(
    to original: [UInt8], splicing other: [UInt8], _ generator: inout Generator
  ) -> [UInt8] {
    var bytes = original
    guard !bytes.isEmpty else { return bytes }
    switch generator.below(8) {
    case 0: bytes.removeLast(1 + generator.below(bytes.count))
    case 1:
      // The start of one file and the end of another.
      let start = generator.below(bytes.count)
      bytes = bytes[..<start] + other.suffix(generator.below(other.count + 1))
    case 2:
      let start = generator.below(bytes.count)
      bytes.removeSubrange(start..<min(bytes.count, start + 1 + generator.below(16)))
    case 3:
      let start = generator.below(bytes.count)
      let end = min(bytes.count, start + 1 + generator.below(64))
      bytes.insert(contentsOf: bytes[start..<end], at: generator.below(bytes.count))
    default: flip(&bytes, &generator)
    }
    return bytes
  }

  /// Changes a few bytes, half of the time near the start, the place of sizes, counts and offsets.
  package static func flip(_ bytes: inout [UInt8], _ generator: inout Generator) {
    let reach = generator.oneIn(2) ? min(bytes.count, 96) : bytes.count
    for _ in 0...generator.below(6) { change(&bytes[generator.below(reach)], &generator) }
  }

  /// Flips a bit, or puts another byte, mostly one that counts and flags are at their limits with.
  package static func change(_ byte: inout UInt8, _ generator: inout Generator) {
    switch generator.below(3) {
    case 0: byte ^= 1 << UInt8(generator.below(8))
    case 1: byte = generator.pick([0, 1, 0x7f, 0x80, 0xff] as [UInt8]) ?? 0
    default: byte = UInt8(generator.below(256))
    }
  }
}
