import GraftFiles
import GraftTensor

/// An image in memory: rows from top to bottom, the channels of a pixel side by side
/// (`[height, width, channels]`).
///
/// Copies share memory, which is read only once the image is made.
package struct Raster<Sample: TensorElement>: Sendable {
  package let width: Int
  package let height: Int
  /// 3 for red, green and blue; 1 for grey.
  package let channelCount: Int
  private let storage: Storage

  /// An image whose samples `fill` writes into zeroed memory.
  ///
  /// - Throws: `GraftError` if an extent is not positive or there is not enough memory, and
  ///   whatever `fill` throws.
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

  /// - Throws: `GraftError` if the number of samples does not fit the extents.
  package init(width: Int, height: Int, channelCount: Int, samples: [Sample]) throws {
    guard try [height, width, channelCount].checkedElementCount() == samples.count else {
      throw GraftError.badData(
        "\(samples.count) samples do not fill \(width)x\(height) pixels of \(channelCount) channels"
      )
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
  /// `224x224`: the width comes first.
  package var description: String { "\(width)x\(height)" }
}
