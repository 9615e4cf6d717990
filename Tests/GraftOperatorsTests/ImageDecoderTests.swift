import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

@Suite struct ImageDecoderTests {
  private func decode(
    _ bytes: [UInt8], _ format: String = "RGB", memoryLimit: Int = .max
  ) throws -> Tensor {
    let node = Node(
      operatorType: "ImageDecoder", inputs: [ValueID(0)], outputs: [ValueID(1)],
      attributes: ["pixel_format": .string(format)])
    let outputs = try evaluate(
      OperatorCatalog.make(node), inputs: [.tensor(try Tensor(bytes, shape: [bytes.count]))],
      wantedOutputs: [true], memoryLimit: memoryLimit)
    return try #require(try outputs[0]?.tensor)
  }

  @Test func damagedImagesAreEmpty() throws {
    let image = TestImage.bmp()
    #expect(try decode(image).elementCount > 0)
    for count in [0, 1, 10, image.count / 2, image.count - 4] {
      #expect(try decode(Array(image[..<count])).shape == [0, 0, 3])
      #expect(try decode(Array(image[..<count]), "Grayscale").shape == [0, 0, 1])
    }
  }

  @Test func formatsAgree() throws {
    let image = TestImage.bmp()
    let colours = try decode(image)
    let swapped = try decode(image, "BGR")
    #expect(swapped.shape == colours.shape)
    let (rgb, bgr) = (try colours.elements(as: UInt8.self), try swapped.elements(as: UInt8.self))
    for index in rgb.indices { #expect(rgb[index] == bgr[index / 3 * 3 + 2 - index % 3]) }
  }

  @Test func largeImagesAreErrors() throws {
    expectError(.badData, "100000x100000 pixels is too large") {
      try decode(Array("P6 100000 100000 255\n".utf8))
    }
    expectError(.operatingSystem) {
      try decode(Array("P6 4000 4000 255\n".utf8), memoryLimit: 1 << 20)
    }
  }

  @Test func otherFormatsOfPixelsAreRefused() throws {
    expectError(.badData, "pixel_format") { try decode([], "HSV") }
  }
}
