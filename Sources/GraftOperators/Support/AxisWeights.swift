/// A linear map of one axis: each result index is a weighted sum of input indices.
struct AxisWeights: Sendable {
  let inputExtent: Int
  /// The start of the taps for each result index, and the end.
  private(set) var starts = [0]
  private(set) var indices: [Int] = []
  private(set) var weights: [Double] = []

  var outputExtent: Int { starts.count - 1 }

  /// The ratio of the result's length to the input's.
  var growth: Double { Double(outputExtent) / Double(max(1, inputExtent)) }

  init(inputExtent: Int) { self.inputExtent = inputExtent }

  /// Each result index is one input index, or nothing.
  init(picking picked: [Int?], from inputExtent: Int) {
    self.init(inputExtent: inputExtent)
    for index in picked { append(index.map { [($0, 1)] } ?? []) }
  }

  /// Appends a result index. Consecutive taps with the same index are joined, and those with weight
  /// 0 omitted.
  mutating func append(_ taps: [(index: Int, weight: Double)]) {
    var last: (index: Int, weight: Double)?
    for tap in taps {
      if let open = last, open.index == tap.index {
        last = (open.index, open.weight + tap.weight)
        continue
      }
      if let last { appendTap(last) }
      last = tap
    }
    if let last { appendTap(last) }
    starts.append(indices.count)
  }

  private mutating func appendTap(_ tap: (index: Int, weight: Double)) {
    guard tap.weight != 0 else { return }
    indices.append(tap.index)
    weights.append(tap.weight)
  }

  /// The transposed map, for gradients.
  func transposed() -> AxisWeights {
    var taps: [[(index: Int, weight: Double)]] = Array(repeating: [], count: inputExtent)
    for output in 0..<outputExtent {
      for tap in starts[output]..<starts[output + 1] {
        taps[indices[tap]].append((output, weights[tap]))
      }
    }
    var result = AxisWeights(inputExtent: outputExtent)
    for taps in taps { result.append(taps) }
    return result
  }
}
