import GraftFiles
import GraftVision
import Synchronization
import Testing

/// Images that are decoded in spite of damage, with a warning.
@Suite struct DamageTests {
  private final class Log: Sendable {
    let texts = Mutex<[String]>([])
    let warnings = ImageWarnings()

    init() { warnings.setHandler { [self] text in texts.withLock { $0.append(text) } } }

    var found: [String] { texts.withLock { $0 } }
  }

  private static let damaged = Fixtures.images.filter { $0.hasPrefix("damaged-") }

  @Test(arguments: damaged) func decodesWhateverHasAllPixelsAsPillow(name: String) throws {
    let log = Log()
    let bytes = try Fixtures.bytes(name)
    for _ in 0..<2 {
      let image = try Image.decode(bytes, place: name, warnings: log.warnings)
      #expect(difference(image, try Fixtures.expectedImage("rgb-8.png")) == nil)
    }
    let reason =
      name.hasPrefix("damaged-checksum")
      ? "a checksum is wrong, so pixels may be wrong too"
      : "the end of the file is missing, but all pixels are present"
    #expect(log.found == ["\(name): damaged PNG image: \(reason)"])
  }

  @Test func hasDamagedFixtures() { #expect(Self.damaged.count == 8) }

  @Test func soundImagesAreNoReasonToWarn() throws {
    let log = Log()
    for name in Fixtures.images where !name.hasPrefix("damaged-") {
      _ = try Image.decode(Fixtures.bytes(name), place: name, warnings: log.warnings)
    }
    #expect(log.found == [])
  }

  /// The compressed data have a checksum of their own: Pillow calls this a broken data stream.
  @Test func refusesContentThatDoesNotMatchItsChecksum() throws {
    var bytes = try Fixtures.bytes("rgb-8.png")
    let end = bytes.count - 12
    bytes[end - 5] ^= 1
    let length = Int(bytes[33]) << 24 | Int(bytes[34]) << 16 | Int(bytes[35]) << 8 | Int(bytes[36])
    #expect(33 + 12 + length == end)
    let sum = checksum(bytes[37..<(end - 4)])
    for index in 0..<4 {
      bytes[end - 4 + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index))
    }
    let error = #expect(throws: GraftError.self) { try Image.decode(bytes, place: "a.png") }
    #expect(error?.message == "unreadable PNG image: its data do not match their checksum")
  }

  @Test func passesOnWhatTheJPEGLibraryNotices() throws {
    let log = Log()
    var bytes = try Fixtures.bytes("baseline-420.jpg")
    // The marker of the end, in the middle of the data.
    bytes.replaceSubrange((bytes.count - 60)..<(bytes.count - 58), with: [0xff, 0xd9])
    _ = try Image.decode(bytes, place: "a.jpg", warnings: log.warnings)
    #expect(log.found.count == 1)
    #expect(log.found.first?.hasPrefix("a.jpg: damaged JPEG image: Corrupt JPEG data") == true)
  }

  @Test func namesTheFirstTenOnly() throws {
    let log = Log()
    let bytes = try Fixtures.bytes("damaged-end.png")
    for index in 0..<13 {
      _ = try Image.decode(bytes, place: "\(index)", warnings: log.warnings)
    }
    #expect(log.found.count == 11)
    #expect(log.found.last == "more images are damaged")
  }
}
