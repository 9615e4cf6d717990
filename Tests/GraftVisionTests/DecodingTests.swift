import GraftTensor
import Testing

import GraftVision

@Suite struct DecodingTests {
  /// Orientation has tests of its own.
  private static let names = Fixtures.pictures.filter {
    !$0.hasPrefix("oriented-") && $0 != "source.png"
  }

  @Test func hasFixturesOfAllFormats() {
    for ending in [".jpg", ".png", ".webp", ".bmp"] {
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
    let error = #expect(throws: GraftError.self) {
      try Image.decode(Array(bytes), place: "cat.jpg")
    }
    #expect(error?.description == "cat.jpg: unreadable JPEG picture: it is truncated")
    #expect(error?.code == .badData)
  }

  @Test(arguments: ["lossless.webp", "rgb-8.png", "rgb-24.bmp", "progressive.jpg", "runs-8.bmp"])
  func refusesTruncatedPictures(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in [bytes.count / 3, bytes.count / 2, bytes.count * 9 / 10] {
      #expect(throws: GraftError.self) { try Image.decode(Array(bytes[..<count]), place: name) }
    }
  }

  @Test func refusesUnknownFormats() {
    let text = #expect(throws: GraftError.self) {
      try Image.decode(Array("GIF89a, or some text".utf8), place: "a.gif")
    }
    #expect(text?.hint == "JPEG, PNG, WebP and BMP can be read.")
    let empty = #expect(throws: GraftError.self) { try Image.decode([], place: "b") }
    #expect(empty?.description == "b: is empty")
  }

  @Test(arguments: ["progressive.jpg", "rgb-8.png", "lossy.webp", "animated.webp", "rgb-24.bmp"])
  func refusesPicturesBeyondTheLimit(name: String) throws {
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

  /// A few bytes for each scan, and each one costs the work of the whole picture.
  @Test func refusesThousandsOfScans() throws {
    let bytes = try Fixtures.bytes("progressive.jpg")
    let scan = try #require(bytes.indices.last { bytes[$0...].starts(with: [0xff, 0xda]) })
    let repeated = (0..<600).flatMap { _ in bytes[scan..<(bytes.count - 2)] }
    let error = #expect(throws: GraftError.self) {
      try Image.decode(bytes[..<scan] + repeated + [0xff, 0xd9], place: "a.jpg")
    }
    #expect(error?.message == "unreadable JPEG picture: it has more than 500 scans")
  }
}

extension UInt32 {
  fileprivate var bigEndianBytes: [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: self >> $0) }
  }
}
