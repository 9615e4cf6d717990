/// Combines two images of one size.
extension Raster where Sample == UInt8 {
  /// The rounded weighted mean of both images.
  ///
  /// - Parameter share: the weight of this image, from 0 to 1
  /// - Precondition: `other` has the same size and channels
  package func mixed(with other: Image, share: Double) throws -> Image {
    precondition(other.size == size && other.channelCount == channelCount)
    return try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { first in
        other.withUnsafeSamples { second in
          for index in target.indices {
            let sum = Double(first[index]) * share + Double(second[index]) * (1 - share)
            target[index] = UInt8(min(sum + 0.5, 255))
          }
        }
      }
    }
  }

  /// This image with a rectangle from the other one.
  ///
  /// - Precondition: `other` has the same size and channels, and the rectangle is inside
  package func replacing(columns: Range<Int>, rows: Range<Int>, from other: Image) throws -> Image {
    precondition(other.size == size && other.channelCount == channelCount)
    precondition(rows.clamped(to: 0..<height) == rows && columns.clamped(to: 0..<width) == columns)
    return try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { _ = target.update(fromContentsOf: $0) }
      other.withUnsafeSamples { source in
        for y in rows {
          let part =
            (y * width + columns.lowerBound) * channelCount..<(y * width + columns.upperBound)
            * channelCount
          _ = target[part].update(fromContentsOf: source[part])
        }
      }
    }
  }
}
