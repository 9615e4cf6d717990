import GraftTensor
import GraftVision
import Testing

@Suite struct PNGEncodingTests {
  @Test(arguments: [(1, 1), (7, 3), (64, 33)])
  func whatIsWrittenIsReadAgain(_ width: Int, _ height: Int) throws {
    for channelCount in [1, 3] {
      let samples = (0..<width * height * channelCount).map { UInt8($0 * 37 % 256) }
      let image = try Image(
        width: width, height: height, channelCount: channelCount, samples: samples)
      let decoded = try image.pngFile().withUnsafeBytes { try Image.decode($0, place: "image") }
      #expect(decoded.size == image.size)
      let expected = channelCount == 3 ? samples : samples.flatMap { [$0, $0, $0] }
      #expect(decoded.samples == expected)
    }
  }

  @Test func otherChannelsAreErrors() throws {
    let image = try Image(width: 1, height: 1, channelCount: 2, samples: [1, 2])
    #expect(throws: (any Error).self) { try image.pngFile() }
  }
}
