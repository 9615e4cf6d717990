/// Pillow's resampling filters.
enum ResamplingFilter {
  case bilinear
  case bicubic

  /// The distance from the centre, in pixels, beyond which the filter is zero.
  var support: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    }
  }

  /// The weight at a distance from the centre, in Pillow's order of operations.
  func weight(_ signedDistance: Double) -> Double {
    let x = abs(signedDistance)
    switch self {
    case .bilinear:
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}

/// The weights of old positions for positions of a resized side, in fixed point.
///
/// Source: Pillow's documentation of its filters,
/// <https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters>
struct ResamplingWeights {
  /// Eight bits are for the sample, two for sums beyond 255.
  static let fractionBits: Int32 = 32 - 8 - 2

  /// The first old position for each new one.
  private(set) var starts: [Int] = []
  /// The number of old positions for each new one.
  private(set) var counts: [Int] = []
  /// The weights, `stride` for each new position.
  private(set) var weights: [Int32]
  let stride: Int

  /// - Parameter positions: the new positions to compute
  init(from oldSide: Int, to newSide: Int, _ filter: ResamplingFilter, _ positions: Range<Int>) {
    let scale = Double(oldSide) / Double(newSide)
    // The filter covers at least its own width of old pixels, and more when shrinking.
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    stride = Int(support.rounded(.up)) * 2 + 1
    weights = [Int32](repeating: 0, count: positions.count * stride)
    starts.reserveCapacity(positions.count)
    counts.reserveCapacity(positions.count)
    var exact = [Double](repeating: 0, count: stride)
    for (row, position) in positions.enumerated() {
      let center = (Double(position) + 0.5) * scale
      let start = max(Int(center - support + 0.5), 0)
      let count = min(Int(center + support + 0.5), oldSide) - start
      var sum = 0.0
      for index in 0..<count {
        exact[index] = filter.weight((Double(index + start) - center + 0.5) * (1 / filterScale))
        sum += exact[index]
      }
      for index in 0..<count {
        let weight = (sum == 0 ? exact[index] : exact[index] / sum)
        let scaled = weight * Double(Int32(1) << ResamplingWeights.fractionBits)
        weights[row * stride + index] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
      }
      starts.append(start)
      counts.append(count)
    }
  }
  /// The number of new positions.
  var count: Int { starts.count }

  /// The old positions that are used.
  var reach: Range<Int> {
    let end = zip(starts, counts).map(+).max() ?? 0
    return (starts.min() ?? 0)..<end
  }
}
