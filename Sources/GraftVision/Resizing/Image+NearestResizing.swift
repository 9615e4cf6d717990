extension Raster where Sample == UInt8 {
  /// Pillow's `resize(size, NEAREST)`: the pixel under the centre of each new one. Computes only
  /// the crop.
  func resizedToNearest(
    _ size: ImageSize, columns: Range<Int>, rows: Range<Int>
  ) throws -> Image {
    let columns = nearestPositions(from: width, to: size.width, columns)
    let rows = nearestPositions(from: height, to: size.height, rows)
    let (width, channelCount) = (width, channelCount)
    return try Image(width: columns.count, height: rows.count, channelCount: channelCount) {
      target in
      withUnsafeSamples { source in
        var position = 0
        for row in rows {
          let start = row * width
          for column in columns {
            let pixel = (start + column) * channelCount
            for channel in 0..<channelCount {
              target[position + channel] = source[pixel + channel]
            }
            position += channelCount
          }
        }
      }
    }
  }
}

/// For positions on the new side, the positions on the old side.
///
/// The step is accumulated in double precision, like Pillow: multiplication would round differently
/// and sometimes select another pixel.
private func nearestPositions(
  from oldSide: Int, to newSide: Int, _ positions: Range<Int>
) -> [Int] {
  let step = Double(oldSide) / Double(newSide)
  var position = step * 0.5
  for _ in 0..<positions.lowerBound { position += step }
  return positions.map { _ in
    defer { position += step }
    return min(Int(position), oldSide - 1)
  }
}
