extension Raster where Sample == UInt8 {
  /// `tf.image.resize(image, size, method="bilinear", antialias=False)`: half-pixel centres, single
  /// precision, no rounding.
  ///
  /// Source: <https://www.tensorflow.org/api_docs/python/tf/image/resize>
  ///
  /// - Parameter crop: the central part to keep, as in ``Raster/centerCropped(to:)``; nothing else
  ///   is computed
  package func resizedLikeTensorFlow(
    to size: ImageSize, croppedTo crop: ImageSize? = nil
  ) throws -> Raster<Float> {
    let window = try CropWindow(of: size, croppedTo: crop)
    let raster = try blended(
      blends(from: width, to: size.width, window.columns),
      blends(from: height, to: size.height, window.rows))
    return try crop.map { try raster.centerCropped(to: $0) } ?? raster
  }

  private func blended(_ columns: [Blend], _ rows: [Blend]) throws -> Raster<Float> {
    let (width, channelCount) = (width, channelCount)
    return try Raster<Float>(
      width: columns.count, height: rows.count, channelCount: channelCount
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

/// Two neighbours, and the weight of the second.
private struct Blend {
  let lower: Int
  let upper: Int
  let share: Float
}

private func blends(from oldSide: Int, to newSide: Int, _ positions: Range<Int>) -> [Blend] {
  let scale = Float(oldSide) / Float(newSide)
  return positions.map { position in
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
