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
    for ending in [".jpg", ".png", ".webp", ".bmp", ".pnm", ".gif", ".tiff", ".jp2"] {
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
    "rgb-plain.pnm", "bits.pnm", "bits-plain.pnm", "grey-16.pnm", "noise.gif", "codes.gif",
    "lzw.tiff", "tiles.tiff", "rgb-16.tiff", "lossless.jp2", "stream.j2k",
  ])
  func refusesTruncatedImages(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    for count in [bytes.count / 3, bytes.count / 2, bytes.count * 9 / 10] {
      expectError(.badData, name) { try Image.decode(Array(bytes[..<count]), place: name) }
    }
  }

  @Test func refusesUnknownFormats() {
    let text = #expect(throws: GraftError.self) {
      try Image.decode(Array("8BPS, or some text".utf8), place: "a.psd")
    }
    #expect(text?.message == "is a Photoshop image, which is not supported")
    #expect(
      text?.hint
        == "JPEG, PNG, WebP, BMP, PNM, GIF, TIFF, JPEG 2000, HEIC and AVIF are supported")
    let empty = #expect(throws: GraftError.self) { try Image.decode([], place: "b") }
    #expect(empty?.description == "b: is empty")
  }

  @Test(arguments: [
    "progressive.jpg", "rgb-8.png", "lossy.webp", "animated.webp", "rgb-24.bmp", "rgb.pnm",
    "codes.gif", "lzw.tiff", "turned-6.tiff", "lossless.jp2", "stream.j2k",
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
    var gif = try Fixtures.bytes("codes.gif")
    gif.replaceSubrange(6..<10, with: [0, 0x30, 0, 0x30])
    var tiff = try Fixtures.bytes("deflate.tiff")
    try claim(12288, tag: 256, in: &tiff)
    try claim(12288, tag: 257, in: &tiff)
    for (name, bytes) in [
      ("a.png", png), ("b.jpg", jpeg), ("c.bmp", bmp), ("d.gif", gif), ("e.tiff", tiff),
    ] {
      let error = #expect(throws: GraftError.self) { try Image.decode(bytes, place: name) }
      #expect(error?.message.contains("too few for 12288x12288 pixels") == true, "\(name)")
    }
  }

  /// Replaces a number in the directory of a little-endian TIFF.
  private func claim(_ number: Int, tag: Int, in bytes: inout [UInt8]) throws {
    func integer(_ place: Int, _ count: Int) -> Int {
      bytes[place..<place + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    let start = integer(4, 4)
    let entries = (0..<integer(start, 2)).map { start + 2 + 12 * $0 }
    let entry = try #require(entries.first { integer($0, 2) == tag })
    for index in 0..<4 {
      bytes[entry + 8 + index] = UInt8(truncatingIfNeeded: number >> (8 * index))
    }
    // 32 bits.
    bytes[entry + 2] = 4
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

  @Test func refusesImpossibleGIFs() throws {
    let good = try Fixtures.bytes("codes.gif")
    let frame = 13 + 3 * 16
    func changed(_ place: Int, _ byte: UInt8) -> [UInt8] {
      var bytes = good
      bytes[place] = byte
      return bytes
    }
    for (bytes, reason) in [
      (changed(frame, 0x3b), "it has no image"),
      (changed(frame, 0x77), "it has the byte 119 instead of a block"),
      (changed(frame + 10, 0), "its codes have 0 bits"),
      (changed(frame + 10, 9), "its codes have 9 bits"),
      // The first code is one that only later codes define.
      (changed(frame + 12, 0x5f), "a code is not defined"),
      (changed(frame + 11, 0), "it is truncated"),
      (changed(frame + 7, 0xff), "it is truncated"),
    ] as [([UInt8], String)] {
      expectError(.badData, "unreadable GIF image: \(reason)") {
        try Image.decode(bytes, place: "a.gif")
      }
    }
  }

  @Test func refusesTIFFsOfOtherNumbers() throws {
    let good = try Fixtures.bytes("grey-8.tiff")
    for (tag, number, reason) in [
      (258, 32, "integers of 32 bits"), (258, 3, "integers of 3 bits"), (278, 0, "RowsPerStrip"),
      (256, 0, "size is zero"), (277, 33, "33 samples a pixel"),
    ] {
      var bytes = good
      try claim(number, tag: tag, in: &bytes)
      expectError(.badData, reason, when: "tag \(tag)") {
        try Image.decode(bytes, place: "a.tiff")
      }
    }
  }

  // MARK: - HEIC and AVIF

  /// Colours are converted by another library than the fixtures', with other rounding.
  @Test(arguments: Fixtures.heifImages) func decodesWhatPhonesWrite(name: String) throws {
    guard
      let image = try unlessLibraryIsMissing({
        try Image.decode(Fixtures.bytes(name), place: name)
      })
    else { return }
    let expected = try Fixtures.expectedImage(name)
    #expect(image.size == expected.size)
    let differences = zip(image.samples, expected.samples).map { abs(Int($0) - Int($1)) }
    #expect((differences.max() ?? 0) <= 3)
    let bytes = try Fixtures.bytes(name)
    #expect(try bytes.withUnsafeBytes { try Image.size(of: $0, place: name) } == expected.size)
    expectError(.badData, "too large") {
      try Image.decode(bytes, place: name, limit: PixelLimit(maximumPixelCount: 64 * 48 - 1))
    }
  }

  @Test(arguments: Fixtures.heifImages) func damagedFilesOfPhonesAreRefused(name: String) throws {
    let original = try Fixtures.bytes(name)
    guard try unlessLibraryIsMissing({ try Image.decode(original, place: name) }) != nil else {
      return
    }
    var generator = Generator(seed: 5)
    for _ in 0..<100 * FuzzEffort.factor {
      var bytes = original
      ByteMutation.flip(&bytes, &generator)
      if generator.oneIn(4) { bytes.removeLast(generator.below(bytes.count)) }
      do {
        _ = try Image.decode(bytes, place: name)
      } catch let error as GraftError {
        #expect(error.code == .badData || error.code == .operatingSystem, "\(error)")
      }
    }
    for count in [20, 100, original.count / 2] {
      expectError(.badData, name) { try Image.decode(Array(original[..<count]), place: name) }
    }
  }

  /// - Returns: `nil` where libheif is not installed, which has a message of its own
  private func unlessLibraryIsMissing<Result>(_ body: () throws -> Result) throws -> Result? {
    do {
      return try body()
    } catch let error as GraftError where error.code == .unavailable {
      #expect(error.message.contains("libheif"))
      #expect(error.hint?.contains("apt-get install libheif1") == true)
      return nil
    }
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
