extension Raster {
  /// The image rotated or mirrored, like Pillow's `ImageOps.exif_transpose`.
  package func oriented(_ orientation: Orientation) throws -> Raster {
    guard orientation != .leave else { return self }
    let walk = Walk(orientation, width: width, height: height)
    let channelCount = channelCount
    return try Raster(
      width: orientation.swapsSides ? height : width,
      height: orientation.swapsSides ? width : height, channelCount: channelCount
    ) { target in
      withUnsafeSamples { source in
        let targetWidth = orientation.swapsSides ? height : width
        let targetHeight = orientation.swapsSides ? width : height
        var position = 0
        for y in 0..<targetHeight {
          var pixel = walk.start + y * walk.rowStep
          for _ in 0..<targetWidth {
            for channel in 0..<channelCount {
              target[position + channel] = source[pixel * channelCount + channel]
            }
            position += channelCount
            pixel += walk.columnStep
          }
        }
      }
    }
  }
}

/// The position in the source, in pixels, of the result's upper left pixel, and the steps to its
/// neighbours on the right and below.
private struct Walk {
  let start: Int
  let columnStep: Int
  let rowStep: Int

  init(_ orientation: Orientation, width: Int, height: Int) {
    let right = width - 1
    let bottom = (height - 1) * width
    (start, columnStep, rowStep) =
      switch orientation {
      case .leave: (0, 1, width)
      case .flipHorizontally: (right, -1, width)
      case .rotateHalf: (bottom + right, -1, -width)
      case .flipVertically: (bottom, 1, -width)
      case .transpose: (0, width, 1)
      case .rotateClockwise: (bottom, -width, 1)
      case .transverse: (bottom + right, -width, -1)
      case .rotateCounterclockwise: (right, width, -1)
      }
  }
}
