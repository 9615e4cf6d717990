import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor
import Synchronization

/// An ensemble of decision trees: walks all rows of `[N, F]`, or the one of `[F]`.
///
/// A task takes some panels of rows through one tree after the other, so that the tree and the
/// panels stay in the cache. Votes are added in the order of the trees, in double precision, so
/// that scores do not depend on the number of threads.
struct DecisionForest: Sendable {
  let votes: ForestVotes
  let treeCount: Int
  private let source: DecisionTrees
  /// Compiled when a kernel first needs them: for floats, and for doubles.
  private let compiled = CompiledForests()

  /// - Parameter trees: finished
  init(_ trees: DecisionTrees, votes: ForestVotes) {
    source = trees
    self.votes = votes
    treeCount = trees.roots.count
  }

  /// - Throws: `GraftError` if a node tests a feature that rows do not have
  func require(features: Dimension) throws {
    guard let known = features.known, source.largestFeature >= known else { return }
    throw GraftError.badData(
      "a node tests feature \(source.largestFeature), but input 0 has \(known) features")
  }

  private static let panelRows = Int(GRAFT_TREE_ROWS)
  /// The bytes of keys and scores of a task.
  private static let taskByteCount = 1 << 16
  /// Fewer rows than this are walked one by one.
  private static let leastPanelRows = 6

  /// The kernel that calls `finish` with each row and its scores.
  ///
  /// - Parameter input: input 0, of floats, doubles or integers
  func kernel(
    _ input: PrepareContext.Description,
    finish:
      @escaping @Sendable (
        _ arguments: KernelArguments, _ row: Int, _ scores: UnsafeMutableBufferPointer<Double>
      ) throws -> Void
  ) throws -> PreparedKernel {
    let rows = try FeatureRows(input)
    try require(features: .known(rows.featureCount))
    let takesFloats = input.elementType == .float
    let forest = try compiled.forest(source, takesFloats: takesFloats)
    let panelRows = Self.panelRows
    let targetCount = votes.targetCount
    let panelScores = panelRows * targetCount
    let byteCount = forest.panelByteCount + panelScores * MemoryLayout<Double>.stride
    let panelCount = (rows.count + panelRows - 1) / panelRows
    // Tasks fill the cache, but there are several for each thread.
    let taskPanels = max(1, min(Self.taskByteCount / max(byteCount, 1), (panelCount + 15) / 16))
    let taskCount = max(1, (panelCount + taskPanels - 1) / taskPanels)
    let keyByteCount = taskPanels * forest.panelByteCount
    let scoresByteCount = taskPanels * panelScores * MemoryLayout<Double>.stride
    let votes = votes
    let treeCount = treeCount
    // Rows of other types are doubles here.
    let rowsByteCount = input.elementType == .double ? 0 : panelRows * rows.byteCount
    return .tasks(
      taskCount, workerScratchByteCount: keyByteCount + scoresByteCount + rowsByteCount
    ) { arguments, task in
      guard let scratch = arguments.workerScratch else { return }
      let scores = (scratch + keyByteCount).assumingMemoryBound(to: Double.self)
      let converted = (scratch + keyByteCount + scoresByteCount)
        .assumingMemoryBound(to: Double.self)
      let firstRow = task * taskPanels * panelRows
      let rowCount = min(taskPanels * panelRows, rows.count - firstRow)
      guard rowCount > 0 else { return }
      for panel in 0..<(rowCount + panelRows - 1) / panelRows {
        let first = firstRow + panel * panelRows
        try forest.writeKeys(
          to: scratch + panel * forest.panelByteCount, rows,
          first..<min(first + panelRows, rows.count), arguments, scratch: converted)
      }
      UnsafeMutableBufferPointer(start: scores, count: taskPanels * panelScores)
        .update(repeating: votes.initialScore)
      forest.evaluate(
        scratch, rowCount: rowCount, leastPanelRows: Self.leastPanelRows, votes, scores)
      for row in 0..<rowCount {
        let rowScores = UnsafeMutableBufferPointer(
          start: scores + row * targetCount, count: targetCount)
        for target in rowScores.indices {
          rowScores[target] = votes.finished(rowScores[target], treeCount: treeCount)
        }
        try finish(arguments, firstRow + row, rowScores)
      }
    }
  }
}

extension CompiledForest {
  /// Writes the keys of a panel of rows.
  fileprivate func writeKeys(
    to panel: UnsafeMutableRawPointer, _ rows: FeatureRows, _ range: Range<Int>,
    _ arguments: KernelArguments, scratch: UnsafeMutablePointer<Double>
  ) throws {
    let panelRows = Int(GRAFT_TREE_ROWS)
    let count = Int64(range.count)
    let stride = Int64(rows.featureCount)
    if !isWide {
      let keys = panel.assumingMemoryBound(to: Int32.self)
      let x = arguments.input(0, as: Float.self) + range.lowerBound * rows.featureCount
      for row in 0..<panelRows { keys[row] = .min }
      for (number, column) in columns.enumerated() {
        graft_trees_keys_f32(
          x + column.feature, stride, count, column.nanIsLowest ? 1 : 0,
          keys + (number + 1) * panelRows)
      }
      return
    }
    let keys = panel.assumingMemoryBound(to: Int64.self)
    for row in 0..<panelRows { keys[row] = .min }
    guard rows.featureCount > 0 else { return }
    let x = try rows.rows(range, arguments, scratch: scratch)
    for (number, column) in columns.enumerated() {
      graft_trees_keys_f64(
        x + column.feature, stride, count, column.nanIsLowest ? 1 : 0,
        keys + (number + 1) * panelRows)
    }
  }

  /// Takes the votes of all trees for `rowCount` rows.
  fileprivate func evaluate(
    _ panels: UnsafeMutableRawPointer, rowCount: Int, leastPanelRows: Int, _ votes: ForestVotes,
    _ scores: UnsafeMutablePointer<Double>
  ) {
    let panelRows = Int(GRAFT_TREE_ROWS)
    let rest = rowCount % panelRows
    let panelCount = rowCount / panelRows + (rest >= leastPanelRows ? 1 : 0)
    trees.withUnsafeBufferPointer { trees in
      guard let base = trees.baseAddress else { return }
      votes.withKernelVotes { kernelVotes in
        if panelCount > 0 {
          graft_trees_evaluate(
            base, Int64(trees.count), nodes.baseAddress, panels, Int64(panelCount),
            Int64(columns.count + 1), isWide ? 1 : 0, kernelVotes, scores)
        }
        let keyByteCount = isWide ? 8 : 4
        for row in panelCount * panelRows..<max(rowCount, panelCount * panelRows) {
          let panel = panels + panelCount * panelByteCount
          graft_trees_evaluate_row(
            base, Int64(trees.count), nodes.baseAddress, panel + row % panelRows * keyByteCount,
            isWide ? 1 : 0, kernelVotes, scores + row * votes.targetCount)
        }
      }
    }
    withExtendedLifetime(nodes) {}
  }
}

/// The compiled forms of one ensemble, made on first use.
private final class CompiledForests: Sendable {
  private let forests = Mutex<[Bool: CompiledForest]>([:])

  func forest(_ source: DecisionTrees, takesFloats: Bool) throws -> CompiledForest {
    try forests.withLock { forests in
      if let forest = forests[takesFloats] { return forest }
      let forest = try CompiledForest(source, takesFloats: takesFloats)
      forests[takesFloats] = forest
      return forest
    }
  }
}
