import CGraftKernels

/// A linear map of one axis, arranged for the vectors of an instruction set, for rows of contiguous
/// elements.
struct LaneMap: Sendable {
  private let inputExtent: Int
  private let outputExtent: Int
  private let groups: [graft_lane_group]
  private let indices: [Int32]
  private let weights: [Float]

  /// - Parameters:
  ///   - inner: the elements after each index of the axis, which become part of the row
  ///   - laneCount: the lanes of a vector
  /// - Returns: `nil` if a result index has no tap, or a row is too long
  init?(_ axis: AxisWeights, inner: Int, laneCount: Int) {
    let (inputExtent, isTooLong) = axis.inputExtent.multipliedReportingOverflow(by: inner)
    let (outputExtent, overflows) = axis.outputExtent.multipliedReportingOverflow(by: inner)
    let tapLimit = Int(Int32.max) / 2
    guard !isTooLong, !overflows, inputExtent < tapLimit, outputExtent < tapLimit else {
      return nil
    }
    var groups: [graft_lane_group] = []
    var indices: [Int32] = []
    var weights: [Float] = []
    for start in stride(from: 0, to: outputExtent, by: laneCount) {
      let outputs = start..<min(start + laneCount, outputExtent)
      let taps = outputs.map { axis.starts[$0 / inner]..<axis.starts[$0 / inner + 1] }
      guard taps.allSatisfy({ !$0.isEmpty }) else { return nil }
      let used = taps.joined().lazy.map { axis.indices[$0] }
      let tapCount = taps.lazy.map(\.count).max() ?? 1
      guard let lowest = used.min(), let highest = used.max(),
        indices.count <= tapLimit - tapCount * laneCount
      else { return nil }
      let first = lowest * inner
      groups.append(
        graft_lane_group(
          first: Int32(first), span: Int32((highest + 1) * inner - first),
          tap_count: Int32(tapCount), offset: Int32(indices.count)))
      for tap in 0..<tapCount {
        for lane in 0..<laneCount {
          // Lanes without a result, and missing taps of the others.
          let lane = min(lane, outputs.count - 1)
          let own = taps[lane]
          let place = min(own.lowerBound + tap, own.upperBound - 1)
          indices.append(
            Int32(axis.indices[place] * inner + (start + lane) % inner - first))
          weights.append(LaneMap.share(of: axis.weights[place], place, own, tap, tapCount))
        }
      }
    }
    self.inputExtent = inputExtent
    self.outputExtent = outputExtent
    self.groups = groups
    self.indices = indices
    self.weights = weights
  }

  /// Missing taps repeat the last one with half of its weight: a weight of 0 would turn an infinite
  /// element into NaN.
  private static func share(
    of weight: Double, _ place: Int, _ taps: Range<Int>, _ tap: Int, _ tapCount: Int
  ) -> Float {
    guard place == taps.upperBound - 1 else { return Float(weight) }
    let number = tap - (taps.count - 1)
    let missing = tapCount - taps.count
    var share = weight
    for _ in 0..<(number < missing ? number + 1 : missing) { share /= 2 }
    return Float(share)
  }

  func withUnsafeMap(_ body: (UnsafePointer<graft_lane_map>) -> Void) {
    groups.withUnsafeBufferPointer { groups in
      indices.withUnsafeBufferPointer { indices in
        weights.withUnsafeBufferPointer { weights in
          var map = graft_lane_map(
            input_extent: inputExtent, output_extent: outputExtent, groups: groups.baseAddress,
            indices: indices.baseAddress, weights: weights.baseAddress)
          body(&map)
        }
      }
    }
  }
}
