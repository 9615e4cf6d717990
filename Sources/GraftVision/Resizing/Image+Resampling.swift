extension Raster where Sample == UInt8 {
  /// Pillow's `resize` with a filter: along rows and columns, both in fixed point and rounded to 8
  /// bits. A side that keeps its length is not filtered. Computes only the crop.
  ///
  /// The order affects the last bit. Rows come first unless that is more work, as in Pillow 13;
  /// older versions always start with rows.
  func resampled(
    to size: ImageSize, _ filter: ResamplingFilter, columns: Range<Int>, rows: Range<Int>
  ) throws -> Image {
    let horizontal =
      size.width == width ? nil : ResamplingWeights(from: width, to: size.width, filter, columns)
    let vertical =
      size.height == height ? nil : ResamplingWeights(from: height, to: size.height, filter, rows)
    let sourceColumns = horizontal?.reach ?? columns
    let sourceRows = vertical?.reach ?? rows
    let losesManyRows = height - size.height > max(0, 2 * (width - size.width))
    if losesManyRows {
      let image = try vertical.map { try resampledAlongColumns($0, 0, sourceColumns) } ?? self
      return try horizontal.map {
        try image.resampledAlongRows($0, sourceColumns.lowerBound, 0..<image.height)
      } ?? image
    }
    let image =
      try horizontal.map { try resampledAlongRows($0, 0, sourceRows) }
      ?? part(columns: columns, rows: sourceRows)
    return try vertical.map {
      try image.resampledAlongColumns($0, sourceRows.lowerBound, 0..<image.width)
    } ?? image
  }

  /// - Parameters:
  ///   - firstColumn: the image's first column, on the old side
  ///   - rows: the rows of the image to compute
  private func resampledAlongRows(
    _ table: ResamplingWeights, _ firstColumn: Int, _ rows: Range<Int>
  ) throws -> Image {
    let channelCount = channelCount
    let newWidth = table.count
    let rowCount = width * channelCount
    return try Image(width: newWidth, height: rows.count, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        table.weights.withUnsafeBufferPointer { weights in
          for (line, y) in rows.enumerated() {
            let row = UnsafeBufferPointer(rebasing: source[(y * rowCount)..<((y + 1) * rowCount)])
            var position = line * newWidth * channelCount
            for x in 0..<newWidth {
              let taps = UnsafeBufferPointer(
                rebasing: weights[(x * table.stride)..<(x * table.stride + table.counts[x])])
              let start = (table.starts[x] - firstColumn) * channelCount
              if channelCount == 3 {
                let sums = weightedColors(row, start, taps)
                target[position] = clipped(sums.red)
                target[position + 1] = clipped(sums.green)
                target[position + 2] = clipped(sums.blue)
              } else {
                for channel in 0..<channelCount {
                  var sum = half
                  for (index, weight) in taps.enumerated() {
                    sum &+= Int32(row[start + index * channelCount + channel]) &* weight
                  }
                  target[position + channel] = clipped(sum)
                }
              }
              position += channelCount
            }
          }
        }
      }
    }
  }

  /// - Parameters:
  ///   - firstRow: the image's first row, on the old side
  ///   - columns: the columns of the image to compute
  private func resampledAlongColumns(
    _ table: ResamplingWeights, _ firstRow: Int, _ columns: Range<Int>
  ) throws -> Image {
    let rowCount = width * channelCount
    let first = columns.lowerBound * channelCount
    let count = columns.count * channelCount
    return try Image(width: columns.count, height: table.count, channelCount: channelCount) {
      target in
      withUnsafeSamples { source in
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { sums in
          for y in 0..<table.count {
            sums.initialize(repeating: half)
            for index in 0..<table.counts[y] {
              let weight = table.weights[y * table.stride + index]
              let row = (table.starts[y] - firstRow + index) * rowCount + first
              for x in 0..<count { sums[x] &+= Int32(source[row + x]) &* weight }
            }
            for x in 0..<count { target[y * count + x] = clipped(sums[x]) }
          }
        }
      }
    }
  }
}

/// Sums three channels together, much faster than one by one.
@inline(__always)
private func weightedColors(
  _ row: UnsafeBufferPointer<UInt8>, _ start: Int, _ weights: UnsafeBufferPointer<Int32>
) -> (red: Int32, green: Int32, blue: Int32) {
  var (red, green, blue) = (half, half, half)
  var position = start
  for weight in weights {
    red &+= Int32(row[position]) &* weight
    green &+= Int32(row[position + 1]) &* weight
    blue &+= Int32(row[position + 2]) &* weight
    position += 3
  }
  return (red, green, blue)
}

private let half = Int32(1) << (ResamplingWeights.fractionBits - 1)

private func clipped(_ sum: Int32) -> UInt8 {
  UInt8(clamping: sum >> ResamplingWeights.fractionBits)
}
