extension Raster where Sample == UInt8 {
  /// Pillow's `resize` with a filter: along rows and along columns, both in fixed point and rounded
  /// to 8 bits. A side that keeps its length is left alone.
  ///
  /// The order of the two matters for the last bit. Rows come first, unless that makes more work: this
  /// is the rule of Pillow 13; older ones always begin with rows.
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
    let (width, height, channelCount) = (width, height, channelCount)
    return try Image(width: newWidth, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        table.weights.withUnsafeBufferPointer { weights in
          for y in 0..<height {
            for x in 0..<newWidth {
              let start = (y * width + table.starts[x]) * channelCount
              let firstWeight = x * table.stride
              for channel in 0..<channelCount {
                var sum = half
                var position = start + channel
                for index in 0..<table.counts[x] {
                  sum &+= Int32(source[position]) &* weights[firstWeight + index]
                  position += channelCount
                }
                target[(y * newWidth + x) * channelCount + channel] = clipped(sum)
              }
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

private let half = Int32(1) << (ResamplingWeights.fractionBits - 1)

private func clipped(_ sum: Int32) -> UInt8 {
  UInt8(clamping: sum >> ResamplingWeights.fractionBits)
}
