import GraftFiles
import GraftTensor
import GraftVision

/// Raw images of equal size, stored one after another in a file as bytes from 0 to 255. They stay
/// where they are, mapped or unpacked.
package final class ImageSamples: Sendable {
  /// The memory layout of an image.
  package enum Layout: Sendable {
    /// `[height, width, channels]`
    case interleaved
    /// `[channels, height, width]`
    case planes
  }

  /// The images' name in messages: the path of their file.
  package let place: String
  package let count: Int
  package let size: ImageSize
  /// 3 for red, green and blue; 1 for grey.
  package let channelCount: Int
  private let layout: Layout
  private let bytes: FileBytes
  /// The bytes before the first image, and between the starts of two images.
  private let offset: Int
  private let stride: Int

  /// - Throws: `GraftError` if images are empty, do not have one or three channels, or exceed
  ///   `bytes`
  package init(
    _ bytes: FileBytes, place: String, count: Int, size: ImageSize, channelCount: Int,
    layout: Layout, offset: Int = 0, stride: Int? = nil
  ) throws {
    guard size.width > 0, size.height > 0 else {
      throw GraftError.badData("has empty images of \(size) pixels").at(place)
    }
    guard channelCount == 1 || channelCount == 3 else {
      throw GraftError.unsupported(
        "has images of \(channelCount) channels",
        hint: "Use one channel (grey) or three (red, green, blue)"
      ).at(place)
    }
    let sampleCount = try [channelCount, size.height, size.width].checkedElementCount()
    let stride = stride ?? sampleCount
    guard count >= 0, offset >= 0, stride >= sampleCount,
      count == 0
        || [count - 1, stride].elementCountFits(in: bytes.count - sampleCount - offset)
    else {
      throw GraftError.badData("is truncated: \(count) images of \(size) pixels do not fit")
        .at(place)
    }
    self.place = place
    self.count = count
    self.size = size
    self.channelCount = channelCount
    self.layout = layout
    self.bytes = bytes
    self.offset = offset
    self.stride = stride
  }

  /// Images `[N, H, W]`, `[N, H, W, C]` or `[N, C, H, W]`.
  ///
  /// - Throws: `GraftError` for other shapes, and for elements other than uint8
  package convenience init(_ tensor: Tensor, place: String) throws {
    guard tensor.elementType == .uint8 else {
      throw GraftError.unsupported(
        "has images with elements of type \(tensor.elementType)",
        hint: "Store them as uint8, from 0 to 255"
      ).at(place)
    }
    let shape = tensor.shape
    let channels: (count: Int, layout: Layout, height: Int, width: Int)
    switch shape.count {
    case 3: channels = (1, .interleaved, shape[1], shape[2])
    case 4 where shape[3] == 1 || shape[3] == 3:
      channels = (shape[3], .interleaved, shape[1], shape[2])
    case 4 where shape[1] == 1 || shape[1] == 3:
      channels = (shape[1], .planes, shape[2], shape[3])
    default:
      throw GraftError.badData(
        "has images of shape \(shape)",
        hint: "Use [N, H, W], [N, H, W, C] or [N, C, H, W] with 1 or 3 channels"
      ).at(place)
    }
    try self.init(
      FileBytes(tensor.storage, tensor.byteOffset..<tensor.byteOffset + tensor.byteCount),
      place: place, count: shape[0],
      size: ImageSize(width: channels.width, height: channels.height),
      channelCount: channels.count, layout: channels.layout)
  }

  /// The image as `[height, width, channels]`.
  ///
  /// - Precondition: `index` is in `0 ..< count`
  package func image(at index: Int) throws -> Image {
    precondition((0..<count).contains(index))
    return try Image(width: size.width, height: size.height, channelCount: channelCount) { target in
      try bytes.part(at: offset + index * stride, count: target.count).withUnsafeBytes { source in
        switch layout {
        case .interleaved: UnsafeMutableRawBufferPointer(target).copyMemory(from: source)
        case .planes:
          let pixelCount = size.width * size.height
          for channel in 0..<channelCount {
            for pixel in 0..<pixelCount {
              target[pixel * channelCount + channel] = source[channel * pixelCount + pixel]
            }
          }
        }
      }
    }
  }

  /// An item for each image.
  ///
  /// - Throws: `GraftError` if the numbers of labels and images differ
  func items(labels: [Int]) throws -> [ImageDataset.Item] {
    guard labels.count == count else {
      throw GraftError.badData("has \(count) images, but \(labels.count) labels").at(place)
    }
    return labels.indices.map {
      ImageDataset.Item(image: .samples(self, index: $0), label: labels[$0])
    }
  }
}

extension [Int] {
  /// Whether the product is at most `limit`; false for negative factors and on overflow.
  fileprivate func elementCountFits(in limit: Int) -> Bool {
    guard let count = try? checkedElementCount() else { return false }
    return count <= limit
  }
}
