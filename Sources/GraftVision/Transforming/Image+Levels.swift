/// The level operations of Pillow's `ImageOps`, bit for bit: a table maps each sample.
///
/// Source: <https://pillow.readthedocs.io/en/stable/reference/ImageOps.html>
extension Raster where Sample == UInt8 {
  /// Keeps the highest bits of each sample.
  ///
  /// - Precondition: `bits` is 0 to 8
  package func posterized(bits: Int) throws -> Image {
    precondition((0...8).contains(bits))
    let mask = UInt8(truncatingIfNeeded: 0xff << (8 - bits))
    return try mapped { _, level in level & mask }
  }

  /// Inverts samples at or above a threshold.
  package func solarized(threshold: Double) throws -> Image {
    try mapped { _, level in Double(level) < threshold ? level : 255 - level }
  }

  package func inverted() throws -> Image { try mapped { _, level in 255 - level } }

  /// Stretches each channel so that its darkest level becomes 0 and its lightest 255.
  package func autoContrasted() throws -> Image {
    let ranges = histograms().map { counts in
      (low: counts.firstIndex { $0 > 0 }!, high: counts.lastIndex { $0 > 0 }!)
    }
    return try mapped { channel, level in
      let (low, high) = ranges[channel]
      guard high > low else { return level }
      let scale = 255 / Double(high - low)
      return UInt8(min(max(Double(level) * scale + -Double(low) * scale, 0), 255))
    }
  }

  /// Spreads the levels of each channel so that all are about equally frequent.
  package func equalized() throws -> Image {
    let tables = histograms().map { counts -> [UInt8]? in
      guard let last = counts.last(where: { $0 > 0 }) else { return nil }
      let step = (counts.reduce(0, +) - last) / 255
      guard step > 0 else { return nil }
      var sum = step / 2
      return counts.map { count in
        defer { sum += count }
        return UInt8(clamping: sum / step)
      }
    }
    return try mapped { channel, level in tables[channel]?[Int(level)] ?? level }
  }

  /// The frequency of each level in each channel.
  private func histograms() -> [[Int]] {
    var counts = [[Int]](repeating: Array(repeating: 0, count: 256), count: channelCount)
    withUnsafeSamples { source in
      for (index, level) in source.enumerated() { counts[index % channelCount][Int(level)] += 1 }
    }
    return counts
  }

  private func mapped(_ transform: (_ channel: Int, _ level: UInt8) -> UInt8) throws -> Image {
    let tables = (0..<channelCount).map { channel in
      (0...255).map { transform(channel, UInt8($0)) }
    }
    return try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        for (channel, table) in tables.enumerated() {
          table.withUnsafeBufferPointer { table in
            for index in stride(from: channel, to: target.count, by: channelCount) {
              target[index] = table[Int(source[index])]
            }
          }
        }
      }
    }
  }
}
