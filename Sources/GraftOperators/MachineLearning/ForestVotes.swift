import CGraftKernels
import GraftFiles

/// What leaves add to the scores of targets: see `graft_tree_votes`.
struct ForestVotes: Sendable {
  enum Aggregation: Sendable {
    case sum, average, least, largest

    var kernel: Int32 {
      switch self {
      case .sum, .average: Int32(GRAFT_TREES_SUM)
      case .least: Int32(GRAFT_TREES_MIN)
      case .largest: Int32(GRAFT_TREES_MAX)
      }
    }
  }

  let targetCount: Int
  let aggregation: Aggregation
  private let starts: [Int64]
  private let targets: [Int32]
  private let weights: [Double]

  /// - Parameters:
  ///   - leaves: the leaf of each vote
  ///   - targets: the target of each vote, below `targetCount`
  init(
    leaves: [Int32], targets: [Int32], weights: [Double], leafCount: Int, targetCount: Int,
    aggregation: Aggregation
  ) {
    self.targetCount = targetCount
    self.aggregation = aggregation
    var starts = [Int64](repeating: 0, count: leafCount + 1)
    for leaf in leaves { starts[Int(leaf) + 1] += 1 }
    let isSingle = starts.dropFirst().allSatisfy { $0 == 1 }
    let mayBeDense = starts.dropFirst().allSatisfy { $0 == Int64(targetCount) }
    for leaf in 0..<leafCount { starts[leaf + 1] += starts[leaf] }
    // Votes of a leaf in their order.
    var next = starts
    var sortedTargets = [Int32](repeating: 0, count: leaves.count)
    var sortedWeights = [Double](repeating: 0, count: leaves.count)
    for (vote, leaf) in leaves.enumerated() {
      let place = Int(next[Int(leaf)])
      next[Int(leaf)] += 1
      sortedTargets[place] = targets[vote]
      sortedWeights[place] = weights[vote]
    }
    let isDense =
      mayBeDense
      && sortedTargets.enumerated().allSatisfy { $0.offset % targetCount == Int($0.element) }
    self.starts = isSingle || isDense ? [] : starts
    self.targets = isDense || targetCount == 1 ? [] : sortedTargets
    // Kernels get an address even where there is no leaf.
    self.weights = sortedWeights.isEmpty ? [0] : sortedWeights
  }

  /// What scores are before the first vote.
  var initialScore: Double {
    switch aggregation {
    case .sum, .average: 0
    case .least, .largest: .nan
    }
  }

  /// The score of a target after all votes of `treeCount` trees; 0 where there was none.
  func finished(_ score: Double, treeCount: Int) -> Double {
    switch aggregation {
    case .sum: score
    case .average: score / Double(max(treeCount, 1))
    case .least, .largest: score.isNaN ? 0 : score
    }
  }

  func withKernelVotes<Result>(_ body: (UnsafePointer<graft_tree_votes>) -> Result) -> Result {
    starts.withUnsafeBufferPointer { starts in
      targets.withUnsafeBufferPointer { targets in
        weights.withUnsafeBufferPointer { weights in
          guard let weightsBase = weights.baseAddress else { preconditionFailure("no weights") }
          var votes = graft_tree_votes(
            starts: starts.isEmpty ? nil : starts.baseAddress,
            targets: targets.isEmpty ? nil : targets.baseAddress, weights: weightsBase,
            target_count: Int64(targetCount), aggregation: aggregation.kernel)
          return body(&votes)
        }
      }
    }
  }
}
