extension Raster where Sample == UInt8 {
  /// Pillow's `resize(size, NEAREST)`: the pixel under the centre of each new one.
  /// Only a part of it is computed.
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

/// For some positions of the new side the one of the old side that it takes.
///
/// The step is added up in double precision, as Pillow does: multiplying would round otherwise, and
/// would take another pixel now and then.
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
