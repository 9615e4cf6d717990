import GraftFiles
import GraftVision
import TestSupport
import Testing

@Suite struct DecodingTests {
  /// Orientation and damage have tests of their own.
  private static let names = Fixtures.images.filter {
    !$0.hasPrefix("oriented-") && !$0.hasPrefix("damaged-") && $0 != "source.png"
  }

  @Test func hasFixturesOfAllFormats() {
    for ending in [".jpg", ".png", ".webp", ".bmp", ".pnm"] {
      #expect(Self.names.filter { $0.hasSuffix(ending) }.count >= 6)
    }
  }

  /// Bit by bit, JPEG too: Pillow uses libjpeg-turbo with the same settings.
  @Test(arguments: names) func decodesAsPillow(name: String) throws {
    let image = try Image.decode(Fixtures.bytes(name), place: name)
    #expect(difference(image, try Fixtures.expectedImage(name)) == nil)
  }

  @Test func namesThePlaceAndTheFormat() throws {
    let bytes = try Fixtures.bytes("baseline-420.jpg").dropLast(40)
    expectError(.badData, "cat.jpg: unreadable JPEG image: it is truncated") {
      try Image.decode(Array(bytes), place: "cat.jpg")
    }
  }

  @Test(arguments: [
    "lossless.webp", "rgb-8.png", "rgb-24.bmp", "progressive.jpg", "runs-8.bmp", "rgb.pnm",
    "rgb-plain.pnm", "bits.pnm", "bits-plain.pnm", "grey-16.pnm",
  ])
  func refusesTruncatedImages(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in [bytes.count / 3, bytes.count / 2, bytes.count * 9 / 10] {
      expectError(.badData, name) { try Image.decode(Array(bytes[..<count]), place: name) }
    }
  }

  @Test func refusesUnknownFormats() {
    let text = #expect(throws: GraftError.self) {
      try Image.decode(Array("GIF89a, or some text".utf8), place: "a.gif")
    }
    #expect(text?.message == "is a GIF image, which is not supported")
    #expect(text?.hint == "JPEG, PNG, WebP, BMP and PNM are supported")
    let empty = #expect(throws: GraftError.self) { try Image.decode([], place: "b") }
    #expect(empty?.description == "b: is empty")
  }

  @Test(arguments: [
    "progressive.jpg", "rgb-8.png", "lossy.webp", "animated.webp", "rgb-24.bmp", "rgb.pnm",
  ])
  func refusesImagesBeyondTheLimit(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let limit = PixelLimit(maximumPixelCount: 21 * 13)
    #expect(throws: Never.self) { try Image.decode(bytes, place: name, limit: limit) }
    let error = #expect(throws: GraftError.self) {
      try Image.decode(bytes, place: name, limit: PixelLimit(maximumPixelCount: 21 * 13 - 1))
    }
    #expect(error?.message.contains("21x13 pixels is too large") == true)
  }

  /// Headers that claim more than the file can hold.
  @Test func refusesLyingExtents() throws {
    var png = try Fixtures.bytes("rgb-8.png")
    png.replaceSubrange(16..<24, with: [0, 0, 0x30, 0, 0, 0, 0x30, 0])
    // The header's checksum, for 12288x12288.
    png.replaceSubrange(29..<33, with: checksum(png[12..<29]).bigEndianBytes)
    var jpeg = try Fixtures.bytes("baseline-420.jpg")
    let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xff && jpeg[$0 + 1] == 0xc0 })
    jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0x30, 0, 0x30, 0])
    var bmp = try Fixtures.bytes("runs-8.bmp")
    bmp.replaceSubrange(18..<26, with: [0, 0x30, 0, 0, 0, 0x30, 0, 0])
    for (name, bytes) in [("a.png", png), ("b.jpg", jpeg), ("c.bmp", bmp)] {
      let error = #expect(throws: GraftError.self) { try Image.decode(bytes, place: name) }
      #expect(error?.message.contains("too few for 12288x12288 pixels") == true, "\(name)")
    }
  }

  @Test(arguments: ["P6 30000 5000 255\n", "P3 30000 5000 255\n", "P4 30000 5000\n", "P1 9 9\n"])
  func takesNoMemoryForPixelsThatAreNotThere(header: String) {
    let error = #expect(throws: GraftError.self) {
      try Image.decode(Array("\(header)1 2 3".utf8), place: "a.ppm")
    }
    #expect(error?.message == "unreadable PNM image: it is truncated")
  }

  @Test(
    arguments: [
      ("P5 2 1 0\n12", "its maximum sample is 0"),
      ("P5 2 1 65536\n1234", "its maximum sample is 65536"),
      ("P2 2 1 9\n1 10\n", "it has the sample 10, above its maximum 9"),
      ("P2 2 1 9\n1 -1\n", "it has the byte 45 instead of a number"),
      ("P1 2 1\n0 2", "it has the byte 50 instead of 0 or 1"),
      ("P6 99999999999 1 255\n", "more than 10 digits"), ("P6 0 1 255\n", "is empty"),
      ("P6 2", "it is truncated"),
    ])
  func refusesImpossibleNumbersOfPNM(text: String, reason: String) {
    let error = #expect(throws: GraftError.self) {
      try Image.decode(Array(text.utf8), place: "a.ppm")
    }
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  /// A few bytes for each scan, and each one costs the work of the whole image.
  @Test func refusesThousandsOfScans() throws {
    let bytes = try Fixtures.bytes("progressive.jpg")
    let scan = try #require(bytes.indices.last { bytes[$0...].starts(with: [0xff, 0xda]) })
    let repeated = (0..<600).flatMap { _ in bytes[scan..<(bytes.count - 2)] }
    let error = #expect(throws: GraftError.self) {
      try Image.decode(bytes[..<scan] + repeated + [0xff, 0xd9], place: "a.jpg")
    }
    #expect(error?.message == "unreadable JPEG image: it has more than 500 scans")
  }
}

extension UInt32 {
  fileprivate var bigEndianBytes: [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> $0) }
  }
}
