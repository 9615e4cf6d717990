import Foundation
import GraftFiles
import GraftVision
import TestSupport
import Testing

/// Damaged images have to be decoded or refused; nothing else may happen.
@Suite(.serialized) struct MutationTests {
  private static let mutationsPerImage = 120 * FuzzEffort.factor
  /// AddressSanitizer keeps what was freed for a while.
  private static let memoryBudget =
    dlsym(nil, "__asan_default_options") == nil ? 256 << 20 : 1 << 30

  /// - Returns: Whether the image was decoded in spite of the damage.
  private func decodes(_ bytes: [UInt8], _ name: String) -> Bool {
    do {
      let image = try Image.decode(bytes, place: name, applyingOrientation: true)
      return image.sampleCount > 0
    } catch is GraftError {
      return false
    } catch {
      Issue.record("\(name) throws \(error)")
      return false
    }
  }

  private func mutated(_ original: [UInt8], using generator: inout Generator) -> [UInt8] {
    var bytes = original
    ByteMutation.flip(&bytes, &generator)
    if generator.oneIn(8) { bytes.removeLast(generator.below(bytes.count)) }
    return bytes
  }

  @Test func survivesFlippedBytes() throws {
    var generator = Generator(seed: 20)
    var decodedCount = 0
    var refusedCount = 0
    let before = peakMemory()
    for name in Fixtures.images {
      let original = try Fixtures.bytes(name)
      for _ in 0..<Self.mutationsPerImage {
        var bytes = mutated(original, using: &generator)
        if name.hasSuffix(".png") { repairChecksums(&bytes) }
        if decodes(bytes, name) { decodedCount += 1 } else { refusedCount += 1 }
      }
    }
    #expect(decodedCount > 100 && refusedCount > 1000)
    #expect(peakMemory() - before < Self.memoryBudget)
  }

  /// As many files of each format, by fields at the start, by parts of other files, and by length.
  @Test(arguments: [".bmp", ".gif", ".jp2", ".j2k", ".pnm", ".tiff", ".jpg", ".png", ".webp"])
  func survivesDamageTo(ending: String) throws {
    let names = Fixtures.images.filter { $0.hasSuffix(ending) }
    try #require(!names.isEmpty)
    let files = try names.map { try Fixtures.bytes($0) }
    let before = peakMemory()
    for number in 0..<500 * FuzzEffort.factor {
      var generator = Generator(kind: 40, case: number)
      let index = number % files.count
      let other = files[generator.below(files.count)]
      let bytes = ByteMutation.apply(to: files[index], splicing: other, &generator)
      let start = ContinuousClock.now
      _ = decodes(bytes, "\(names[index]), case \(number)")
      let time = ContinuousClock.now - start
      #expect(time < .seconds(10), "\(names[index]), case \(number)")
    }
    #expect(peakMemory() - before < Self.memoryBudget)
  }

  @Test func survivesEveryTruncation() throws {
    for name in Fixtures.images {
      let original = try Fixtures.bytes(name)
      for count in stride(from: 0, to: original.count, by: max(1, original.count / 60)) {
        _ = decodes(Array(original[..<count]), name)
      }
    }
  }

  /// Corrects the checksums of PNG chunks, so that damage reaches the code after their check.
  private func repairChecksums(_ bytes: inout [UInt8]) {
    var offset = 8
    while offset + 12 <= bytes.count {
      let length = bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | Int($1) }
      let end = offset + 8 + length
      guard end + 4 <= bytes.count else { return }
      let sum = checksum(bytes[(offset + 4)..<end])
      for index in 0..<4 {
        bytes[end + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index))
      }
      offset = end + 4
    }
  }

  /// The most memory that the process has had so far, in bytes.
  private func peakMemory() -> Int {
    var usage = rusage()
    getrusage(.init(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }
}
