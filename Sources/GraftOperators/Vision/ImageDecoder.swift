import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor
import GraftVision

/// Decodes the bytes of an image file: `[bytes]` to `[height, width, channels]`.
///
/// Alpha is dropped, greys and palettes become colours, and orientations in EXIF data are left
/// alone, as in the reference implementation with Pillow. As the specification asks, bytes that are
/// no image, or a damaged one, give an empty image, `[0, 0, channels]`. An image that is too large
/// is an error.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ImageDecoder.html>
struct ImageDecoder: Operator {
  static let schema = OperatorSchema("ImageDecoder", since: [20], inputs: 1...1)
  static let isLaborious = true

  private enum PixelFormat: String, CaseIterable {
    case rgb = "RGB"
    case bgr = "BGR"
    case grey = "Grayscale"
  }

  private let format: PixelFormat
  private var channelCount: Int { format == .grey ? 1 : 3 }

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "pixel_format", default: "RGB", of: PixelFormat.allCases.map { $0.rawValue })
    format = PixelFormat(rawValue: name) ?? .rgb
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .uint8, [.unknown, .unknown, .known(channelCount)])
    try context.require(0, [.uint8])
    let shape = try context.shape(0)
    guard shape.count == 1 else {
      throw GraftError.badData("input 0 has shape \(shape); expected the bytes of a file")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .growing { [self] inputs, memory in
      guard let bytes = try inputs.first??.tensor else {
        throw GraftError.badData("input 0 is missing")
      }
      return [.tensor(try decoded(bytes, memory))]
    }
  }

  private func decoded(_ bytes: Tensor, _ memory: MemoryBudget) throws -> Tensor {
    try bytes.withUnsafeBytes { bytes in
      // Without a limit first, so that a large image is not taken for a damaged one.
      let unlimited = PixelLimit(maximumPixelCount: .max, maximumSide: .max)
      guard let size = try unlessDamaged({ try Image.size(of: bytes, place: "", limit: unlimited) })
      else { return try empty() }
      try PixelLimit.standard.check(width: size.width, height: size.height)
      // The image, and what decoders keep of it.
      try memory.require([size.width * size.height * 12])
      let image = try unlessDamaged {
        try Image.decode(bytes, place: "image", applyingOrientation: false)
      }
      guard let image else { return try empty() }
      return try tensor(of: image)
    }
  }

  private func empty() throws -> Tensor { try Tensor(zeros: .uint8, shape: [0, 0, channelCount]) }

  /// - Returns: `nil` if the bytes are no image
  private func unlessDamaged<Result>(_ body: () throws -> Result) throws -> Result? {
    do {
      return try body()
    } catch let error as GraftError where error.code == .badData {
      return nil
    }
  }

  private func tensor(of image: Image) throws -> Tensor {
    let source = format == .grey ? try image.greyscale() : image
    let result = try Tensor(
      zeros: .uint8, shape: [source.height, source.width, source.channelCount])
    source.withUnsafeSamples { samples in
      result.withUnsafeMutableBytes { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(samples))
        guard format == .bgr else { return }
        for pixel in stride(from: 0, to: bytes.count, by: 3) {
          (bytes[pixel], bytes[pixel + 2]) = (bytes[pixel + 2], bytes[pixel])
        }
      }
    }
    return result
  }

  static var examples: [OperatorExample] {
    let file = Tensor.example(Array("P3 2 1 255\n1 2 3 200 100 50\n".utf8), [28])
    return [
      OperatorExample(
        "colours", inputs: [file],
        outputs: [.example([1, 2, 3, 200, 100, 50] as [UInt8], [1, 2, 3])]),
      OperatorExample(
        "blue first", attributes: ["pixel_format": .string("BGR")], inputs: [file],
        outputs: [.example([3, 2, 1, 50, 100, 200] as [UInt8], [1, 2, 3])]),
      OperatorExample(
        "grey", attributes: ["pixel_format": .string("Grayscale")], inputs: [file],
        outputs: [.example([2, 124] as [UInt8], [1, 2, 1])]),
      OperatorExample(
        "no image", inputs: [.example(Array("text".utf8), [4])],
        outputs: [.example([] as [UInt8], [0, 0, 3])]),
      OperatorExample(
        "no bytes", attributes: ["pixel_format": .string("Grayscale")],
        inputs: [.example([] as [UInt8], [0])], outputs: [.example([] as [UInt8], [0, 0, 1])]),
    ]
  }
}
