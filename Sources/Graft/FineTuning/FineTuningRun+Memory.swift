import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining

/// The memory that the end of a run needs, checked before it starts.
extension FineTuningRun {
  /// The memory of the curves and the report, in bytes.
  private static let reportByteCount = 8 << 20

  /// The number of images that are evaluated together.
  var evaluationBatchSize: Int {
    fineTuner.model.takesOneImage ? 1 : min(64, recipe.batchSize)
  }

  /// - Throws: `GraftError` if evaluating and writing the trained network exceeds the memory limit
  func requireMemoryOfEnd() throws {
    let training = try fineTuner.byteCountAfterTraining()
    // Estimates the export only if it can fit at all.
    try requireMemoryOfEnd(training + convertedByteCount)
    try requireMemoryOfEnd(training + exportByteCount())
  }

  private func requireMemoryOfEnd(_ needed: Int) throws {
    let limit = fineTuner.options.memoryLimit
    guard needed > limit else { return }
    throw GraftError(
      .operatingSystem,
      "evaluating and writing the trained network needs at least \(needed >> 20) MB of memory; "
        + "the limit is \(limit >> 20) MB",
      hint: "Use smaller images (--image-size) or batches (--batch-size), or a smaller network")
  }

  /// The bytes of the layers' kernels in the type of the export, and in that of its computation,
  /// where they differ from the type in training.
  private var convertedByteCount: Int {
    guard recipe.export.precision == .float16 else { return 0 }
    let graph = fineTuner.model.graph
    let kernels = fineTuner.model.weights.compactMap { graph.constants[$0] }
      .filter { $0.shape.count > 1 }
    return kernels.reduce(0) { $0 + $1.elementCount }
      * (ElementType.float16.byteWidth + ElementType.float.byteWidth)
  }

  /// The additional memory for the exported network, for its executable form, and then for the
  /// report.
  private func exportByteCount() throws -> Int {
    let model = fineTuner.model
    let graph = try model.inferenceGraph(preprocessing, recipe.export)
    var planning = fineTuner.options.executable
    planning.memoryLimit = .max
    let executable = try Executable(graph, options: planning)
    let batchSize = evaluationBatchSize
    let image = model.image
    let images =
      batchSize * image.channels * image.height * image.width * MemoryLayout<Float>.size
    let evaluation =
      try executable.plannedByteCount(batch: batchSize)
      + executable.graph.heapByteCount(besides: graph) + images
    return graph.heapByteCount(besides: model.graph)
      + max(evaluation, FineTuningRun.reportByteCount)
  }
}
