/// The surroundings of an image.
package enum BorderMode: String, Sendable, CaseIterable {
  /// Black.
  case zero
  /// The image mirrored at its edges without repeating the outermost pixels:
  /// `numpy.pad(mode="reflect")`.
  case reflect

  /// The position used for one that may be outside `0 ..< side`; `nil` for none.
  func position(_ position: Int, in side: Int) -> Int? {
    if (0..<side).contains(position) { return position }
    guard self == .reflect else { return nil }
    guard side > 1 else { return 0 }
    let period = 2 * (side - 1)
    let rest = ((position % period) + period) % period
    return min(rest, period - rest)
  }
}

extension Raster where Sample == UInt8 {
  /// A part of the image, which may extend beyond it.
  ///
  /// - Parameters:
  ///   - left: the first column, possibly outside
  ///   - top: the first row, possibly outside
  /// - Throws: `GraftError` if the size is empty or too large
  package func cropped(
    left: Int, top: Int, size: ImageSize, border: BorderMode
  ) throws -> Image {
    try PixelLimit.standard.check(width: size.width, height: size.height)
    let channelCount = channelCount
    let inside = max(0, -left)..<max(0, -left, min(size.width, width - left))
    let outside = (0..<size.width).filter { !inside.contains($0) }.compactMap { column in
      border.position(left + column, in: width).map { (target: column, source: $0) }
    }
    return try Image(width: size.width, height: size.height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        for y in 0..<size.height {
          guard let row = border.position(top + y, in: height) else { continue }
          let sourceStart = row * width * channelCount
          let targetStart = y * size.width * channelCount
          let first = sourceStart + (left + inside.lowerBound) * channelCount
          if !inside.isEmpty {
            (target.baseAddress! + targetStart + inside.lowerBound * channelCount).update(
              from: source.baseAddress! + first, count: inside.count * channelCount)
          }
          for column in outside {
            for channel in 0..<channelCount {
              target[targetStart + column.target * channelCount + channel] =
                source[sourceStart + column.source * channelCount + channel]
            }
          }
        }
      }
    }
  }

  /// The image with one value in all channels of a rectangle, clipped to the image.
  package func filled(columns: Range<Int>, rows: Range<Int>, value: UInt8) throws -> Image {
    let columns = columns.clamped(to: 0..<width)
    let rows = rows.clamped(to: 0..<height)
    return try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { _ = target.update(fromContentsOf: $0) }
      for y in rows {
        let start = y * width
        target[
          (start + columns.lowerBound) * channelCount..<(start + columns.upperBound) * channelCount
        ]
        .update(repeating: value)
      }
    }
  }
}
