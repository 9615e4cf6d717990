extension Raster where Sample == UInt8 {
  /// `tf.image.resize(image, size, method="bilinear", antialias=False)`: half-pixel centres, single
  /// precision, nothing rounded.
  ///
  /// Source: <https://www.tensorflow.org/api_docs/python/tf/image/resize>
  package func resizedLikeTensorFlow(to size: PictureSize) throws -> Raster<Float> {
    try PixelLimit.standard.check(width: size.width, height: size.height)
    let columns = blends(from: width, to: size.width)
    let rows = blends(from: height, to: size.height)
    let (width, channelCount) = (width, channelCount)
    return try Raster<Float>(
      width: size.width, height: size.height, channelCount: channelCount
    ) { target in
      withUnsafeSamples { source in
        var position = 0
        for row in rows {
          let upper = row.lower * width
          let lower = row.upper * width
          for column in columns {
            for channel in 0..<channelCount {
              func sample(_ row: Int, _ column: Int) -> Float {
                Float(source[(row + column) * channelCount + channel])
              }
              let top = blend(
                sample(upper, column.lower), sample(upper, column.upper), column.share)
              let bottom = blend(
                sample(lower, column.lower), sample(lower, column.upper), column.share)
              target[position] = blend(top, bottom, row.share)
              position += 1
            }
          }
        }
      }
    }
  }
}

/// Two neighbours, and how much the second one counts.
private struct Blend {
  let lower: Int
  let upper: Int
  let share: Float
}

private func blends(from oldSide: Int, to newSide: Int) -> [Blend] {
  let scale = Float(oldSide) / Float(newSide)
  return (0..<newSide).map { position in
    let center = (Float(position) + 0.5) * scale - 0.5
    let floor = center.rounded(.down)
    return Blend(
      lower: min(max(Int(floor), 0), oldSide - 1),
      upper: min(max(Int(center.rounded(.up)), 0), oldSide - 1), share: center - floor)
  }
}

private func blend(_ first: Float, _ second: Float, _ share: Float) -> Float {
  first + (second - first) * share
}
