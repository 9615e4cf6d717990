import GraftFiles
import GraftTensor

/// An image in memory, `[height, width, channels]`, with rows from top to bottom.
///
/// Copies share memory, which is immutable after creation.
package struct Raster<Sample: TensorElement>: Sendable {
  package let width: Int
  package let height: Int
  /// 3 for red, green and blue; 1 for grey.
  package let channelCount: Int
  private let storage: Storage

  /// An image whose zeroed memory `fill` fills.
  ///
  /// - Throws: `GraftError` if an extent is not positive or memory is short, and any error of
  ///   `fill`
  package init(
    width: Int, height: Int, channelCount: Int,
    fill: (UnsafeMutableBufferPointer<Sample>) throws -> Void
  ) throws {
    guard width > 0, height > 0, channelCount > 0 else {
      throw GraftError.badData("an image of \(width)x\(height) pixels is empty")
    }
    self.width = width
    self.height = height
    self.channelCount = channelCount
    let byteCount = try Tensor.byteCount(Sample.elementType, [height, width, channelCount])
    storage = try Storage.heap(byteCount: byteCount)
    let bytes = UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: byteCount)
    defer { withExtendedLifetime(storage) {} }
    try fill(bytes.bindMemory(to: Sample.self))
  }

  /// - Throws: `GraftError` if the number of samples does not match the extents
  package init(width: Int, height: Int, channelCount: Int, samples: [Sample]) throws {
    guard try [height, width, channelCount].checkedElementCount() == samples.count else {
      throw GraftError.badData(
        "\(samples.count) samples are not \(width)x\(height) pixels of \(channelCount) channels")
    }
    try self.init(width: width, height: height, channelCount: channelCount) { target in
      _ = target.update(from: samples)
    }
  }

  package var size: ImageSize { ImageSize(width: width, height: height) }

  package var sampleCount: Int { width * height * channelCount }

  package func withUnsafeSamples<Result>(
    _ body: (UnsafeBufferPointer<Sample>) throws -> Result
  ) rethrows -> Result {
    defer { withExtendedLifetime(storage) {} }
    let count = sampleCount
    let start = storage.baseAddress.bindMemory(to: Sample.self, capacity: count)
    return try body(UnsafeBufferPointer(start: start, count: count))
  }

  package var samples: [Sample] { withUnsafeSamples { Array($0) } }
}

/// An image of 8-bit samples.
package typealias Image = Raster<UInt8>

/// Width and height in pixels.
package struct ImageSize: Sendable, Hashable {
  package var width: Int
  package var height: Int

  package init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }
}

extension ImageSize: CustomStringConvertible {
  /// Width first: `224x224`.
  package var description: String { "\(width)x\(height)" }
}
