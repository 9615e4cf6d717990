import GraftRuntime
import GraftTraining

/// What the end of a run will take of memory, known before it begins.
extension FineTuningRun {
  /// Bytes for the curves and the report.
  private static let reportByteCount = 8 << 20

  /// How many images are evaluated together.
  var evaluationBatchSize: Int {
    fineTuner.model.takesOneImage ? 1 : min(64, recipe.batchSize)
  }

  /// - Throws: `GraftError` if evaluating and writing the trained network takes more than the options allow.
  func requireMemoryOfEnd() throws {
    let limit = fineTuner.options.memoryLimit
    let needed = try fineTuner.byteCountAfterTraining() + exportByteCount()
    guard needed > limit else { return }
    throw GraftError(
      .operatingSystem,
      "evaluating and writing the trained network would take \(needed >> 20) MB of memory, and "
        + "\(limit >> 20) MB may be taken",
      hint: "Use smaller images (--image-size) or batches (--batch-size), or a smaller network")
  }

  /// Bytes that are taken besides the network: for it in its exported form, for that made ready to run, and then for the
  /// report.
  private func exportByteCount() throws -> Int {
    let model = fineTuner.model
    let graph = try model.inferenceGraph(preprocessing, recipe.export)
    var planning = fineTuner.options.executable
    planning.memoryLimit = .max
    let executable = try Executable(graph, options: planning)
    let batchSize = evaluationBatchSize
    let picture = model.picture
    let images =
      batchSize * picture.channels * picture.height * picture.width * MemoryLayout<Float>.size
    let evaluation =
      try executable.plannedByteCount(batch: batchSize) + executable.packedConstants.byteCount
      + executable.graph.heapByteCount(besides: graph) + images
    return graph.heapByteCount(besides: model.graph)
      + max(evaluation, FineTuningRun.reportByteCount)
  }
}
