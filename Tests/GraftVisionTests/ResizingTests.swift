import GraftFiles
import GraftTensor
import GraftVision
import TestSupport
import Testing

@Suite struct ResizingTests {
  private static let sizes = [
    "20x31", "61x31", "97x47", "130x90", "1x1", "224x3", "58x40", "57x40", "12x90",
  ]
  private static let pillowInterpolations: [Interpolation] = [.nearest, .bilinear, .bicubic]

  private func source() throws -> Image {
    try Image.decode(Fixtures.bytes("source.png"), place: "source.png")
  }

  /// Bit by bit.
  @Test(arguments: sizes, pillowInterpolations)
  func resizesAsPillow(size: String, interpolation: Interpolation) throws {
    let target = try ImageSize(text: size)
    let resized = try source().resized(to: target, interpolation)
    let expected = try Fixtures.expectedImage("resized-\(interpolation.rawValue)-\(size)")
    #expect(difference(resized, expected) == nil)
  }

  /// Within 1e-4 of 255.
  @Test(arguments: sizes.filter { $0 != "130x90" })
  func resizesAsTensorFlow(size: String) throws {
    let target = try ImageSize(text: size)
    let resized = try source().resizedLikeTensorFlow(to: target)
    let expected = try Fixtures.expectedFloats("resized-tf-bilinear-\(size)")
    #expect(expected.shape == [resized.height, resized.width, resized.channelCount])
    #expect(largestDifference(resized.samples, expected.values) <= 1e-4)
  }

  @Test func convertsAndResizesGreyAsPillow() throws {
    let grey = try source().greyscale()
    #expect(difference(grey, try Fixtures.expectedImage("source-grey")) == nil)
    let resized = try grey.resized(to: ImageSize(width: 33, height: 20), .bicubic)
    #expect(difference(resized, try Fixtures.expectedImage("resized-grey-bicubic-33x20")) == nil)
  }

  /// With a border where the image is too small.
  @Test(arguments: ["30x20", "31x22", "80x20", "70x60"])
  func cropsAsTorchvision(size: String) throws {
    let target = try ImageSize(text: size)
    let cropped = try source().centerCropped(to: target)
    #expect(difference(cropped, try Fixtures.expectedImage("cropped-\(size)")) == nil)
  }

  /// Cropped parts are not computed, and the rest is the same.
  @Test(arguments: sizes, pillowInterpolations + [.tensorFlowBilinear])
  func computesTheMiddleAlone(size: String, interpolation: Interpolation) throws {
    let source = try source()
    let target = try ImageSize(text: size)
    for crop in ["5x7", "60x3", "24x24", "200x2", "61x47", "150x120"] {
      let crop = try ImageSize(text: crop)
      if interpolation == .tensorFlowBilinear {
        let whole = try source.resizedLikeTensorFlow(to: target).centerCropped(to: crop)
        let part = try source.resizedLikeTensorFlow(to: target, croppedTo: crop)
        #expect(part.size == crop && part.samples == whole.samples)
      } else {
        let whole = try source.resized(to: target, interpolation).centerCropped(to: crop)
        let part = try source.resized(to: target, croppedTo: crop, interpolation)
        #expect(difference(part, whole) == nil, "\(crop)")
      }
    }
  }

  /// 4.9 million columns, of which 16 are kept.
  @Test(arguments: pillowInterpolations + [.tensorFlowBilinear])
  func resizesImagesOfExtremeShape(interpolation: Interpolation) throws {
    let width = 65_500
    let strip = try Image(width: width, height: 3, channelCount: 3) { pixels in
      for index in pixels.indices { pixels[index] = UInt8(index / 3 % width * 255 / width) }
    }
    var preprocessing = Preprocessing(.none)
    preprocessing.resize = .shorter(224)
    preprocessing.interpolation = interpolation
    expectError(.badData, "4890666x224") {
      try Preprocessor(preprocessing).outputSize(for: strip.size)
    }
    preprocessing.crop = ImageSize(width: 16, height: 16)
    let tensor = try Preprocessor(preprocessing).tensor(for: strip)
    #expect(tensor.shape == [1, 3, 16, 16])
    let differences = try tensor.elements(as: Float.self).map { abs($0 - 127.5) }
    #expect(differences.max() ?? 255 <= 1)
  }

  @Test func keepsProportionsAsTorchvision() throws {
    func size(_ side: Int, _ width: Int, _ height: Int) throws -> String {
      try ResizeRule.shorter(side).targetSize(for: ImageSize(width: width, height: height))
        .description
    }
    #expect(try size(256, 500, 375) == "341x256")
    #expect(try size(256, 375, 500) == "256x341")
    #expect(try size(256, 300, 300) == "256x256")
    #expect(try size(224, 1, 3) == "224x672")
    expectError(.badData, "1x900000") { try size(256, 1, 900_000) }
  }

  @Test func readsSizes() throws {
    #expect(try ResizeRule(text: "224") == .exact(ImageSize(width: 224, height: 224)))
    #expect(try ResizeRule(text: "320x240") == .exact(ImageSize(width: 320, height: 240)))
    #expect(try ResizeRule(text: "shorter:256") == .shorter(256))
    for text in ["224", "320x240", "shorter:256"] {
      #expect(try ResizeRule(text: text).description == text)
    }
    let wrong = ["", "0", "-1", "x", "1x", "1x2x3", "shorter:", "shorter:0", "longer:3", "65537"]
    for text in wrong + ["99999999999999999999"] {
      expectError(.usage, "'\(text)'") { try ResizeRule(text: text) }
    }
  }
}
