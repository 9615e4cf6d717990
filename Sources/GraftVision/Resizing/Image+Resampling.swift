extension Raster where Sample == UInt8 {
  /// Pillow's `resize` with a filter: along rows and along columns, both in fixed point and rounded
  /// to 8 bits. A side that keeps its length is left alone.
  ///
  /// The order of the two matters for the last bit. Rows come first, unless that makes more work:
  /// this is the rule of Pillow 13; older ones always begin with rows.
  func resampled(to size: PictureSize, _ filter: ResamplingFilter) throws -> Image {
    let losesManyRows = height - size.height > max(0, 2 * (width - size.width))
    if losesManyRows {
      return try resampledAlongColumns(to: size.height, filter)
        .resampledAlongRows(to: size.width, filter)
    }
    return try resampledAlongRows(to: size.width, filter)
      .resampledAlongColumns(to: size.height, filter)
  }

  private func resampledAlongRows(to newWidth: Int, _ filter: ResamplingFilter) throws -> Image {
    guard newWidth != width else { return self }
    let table = ResamplingWeights(from: width, to: newWidth, filter)
    let (height, channelCount) = (height, channelCount)
    let rowCount = width * channelCount
    return try Image(width: newWidth, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        table.weights.withUnsafeBufferPointer { weights in
          for y in 0..<height {
            let row = UnsafeBufferPointer(rebasing: source[(y * rowCount)..<((y + 1) * rowCount)])
            var position = y * newWidth * channelCount
            for x in 0..<newWidth {
              let taps = UnsafeBufferPointer(
                rebasing: weights[(x * table.stride)..<(x * table.stride + table.counts[x])])
              let start = table.starts[x] * channelCount
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

  private func resampledAlongColumns(
    to newHeight: Int, _ filter: ResamplingFilter
  ) throws -> Image {
    guard newHeight != height else { return self }
    let table = ResamplingWeights(from: height, to: newHeight, filter)
    let rowCount = width * channelCount
    return try Image(width: width, height: newHeight, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rowCount) { sums in
          for y in 0..<newHeight {
            sums.initialize(repeating: half)
            for index in 0..<table.counts[y] {
              let weight = table.weights[y * table.stride + index]
              let row = (table.starts[y] + index) * rowCount
              for x in 0..<rowCount { sums[x] &+= Int32(source[row + x]) &* weight }
            }
            for x in 0..<rowCount { target[y * rowCount + x] = clipped(sums[x]) }
          }
        }
      }
    }
  }
}

/// The sums of the three channels side by side, which is a good deal faster than one by one.
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
