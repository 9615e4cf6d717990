import GraftFiles
import GraftTensor
import GraftVision
import Testing

@Suite struct OrientationTests {
  @Test(arguments: 1...8) func turnsUprightAsPillow(number: Int) throws {
    let name = "oriented-\(number).png"
    let bytes = try Fixtures.bytes(name)
    let upright = try Image.decode(bytes, place: name)
    #expect(difference(upright, try Fixtures.expectedImage("oriented-\(number)")) == nil)
    let asStored = try Image.decode(bytes, place: name, applyingOrientation: false)
    #expect(difference(asStored, try Fixtures.expectedImage("oriented-0")) == nil)
  }

  @Test func readsTheTagOfWebP() throws {
    let bytes = try Fixtures.bytes("oriented-6.webp")
    let upright = try Image.decode(bytes, place: "webp")
    #expect(difference(upright, try Fixtures.expectedImage("oriented-6")) == nil)
  }

  @Test func readsTheTagOfJPEG() throws {
    let bytes = try Fixtures.bytes("oriented-6.jpg")
    let asStored = try Image.decode(bytes, place: "jpeg", applyingOrientation: false)
    let upright = try Image.decode(bytes, place: "jpeg")
    #expect(asStored.size == ImageSize(width: 9, height: 5))
    #expect(upright.samples == (try asStored.oriented(.rotateClockwise).samples))
  }

  /// In XMP packets, or as text: `oriented-NUMBER-…`, whose numbers are those that Pillow finds.
  private static let others = Fixtures.images.filter {
    $0.hasPrefix("oriented-") && $0.dropFirst(10).first == "-"
  }

  @Test(arguments: others) func findsTheTagInOtherPlaces(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let number = try #require(name.dropFirst(9).first?.wholeNumberValue)
    let orientation = try #require(Orientation(rawValue: number))
    let asStored = try Image.decode(bytes, place: name, applyingOrientation: false)
    let upright = try Image.decode(bytes, place: name)
    #expect(difference(upright, try asStored.oriented(orientation)) == nil)
    if !name.hasSuffix(".jpg") {
      #expect(difference(upright, try Fixtures.expectedImage("oriented-\(number)")) == nil)
    }
  }

  @Test func hasFixturesOfOtherPlaces() { #expect(Self.others.count == 9) }

  @Test(
    arguments: [
      ("tiff:Orientation=\"6\"", Orientation.rotateClockwise),
      ("tiff:Orientation = '8'", .rotateCounterclockwise),
      ("<tiff:Orientation>\n 3 </tiff:Orientation>", .rotateHalf),
      ("<tiff:Orientation/> tiff:Orientation=\"2\"", .flipHorizontally),
      ("tiff:Orientation=\"9\"", nil), ("tiff:Orientation=\"66\"", nil),
      ("tiff:Orientation=6", nil), ("tiff:Orientation", nil), ("tiff:Orientation=", nil), ("", nil),
    ] as [(String, Orientation?)])
  func readsXMP(packet: String, expected: Orientation?) {
    #expect(XMPReader.orientation(in: Array(packet.utf8)) == expected)
  }

  /// A directory of one entry: tag, type, count and value as given.
  private func orientation(
    type: UInt8 = 3, count: UInt8 = 1, value: UInt8, directory: UInt8 = 8
  ) -> Orientation? {
    let bytes: [UInt8] =
      [0x4d, 0x4d, 0, 42, 0, 0, 0, directory, 0, 1, 0x01, 0x12, 0, type, 0, 0, 0, count]
      + (type == 3 ? [0, value, 0, 0] : [value, 0, 0, 0])
    return bytes.withUnsafeBytes { EXIFReader.orientation(in: ByteReader($0, .big)) }
  }

  @Test func takesDamagedTagsForNone() {
    #expect(orientation(value: 8) == .rotateCounterclockwise)
    #expect(orientation(type: 1, value: 3) == .rotateHalf)
    #expect(orientation(value: 9) == nil)
    #expect(orientation(value: 0) == nil)
    #expect(orientation(type: 5, value: 6) == nil)
    #expect(orientation(count: 2, value: 6) == nil)
    #expect(orientation(value: 6, directory: 200) == nil)
  }
}
