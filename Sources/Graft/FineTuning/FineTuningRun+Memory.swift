import GraftFiles
import GraftRuntime
import GraftTensor

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
    let training = try fineTuner.byteCountAfterTraining()
    // The export itself is made only where it can fit.
    try requireMemoryOfEnd(training + convertedByteCount)
    try requireMemoryOfEnd(training + exportByteCount())
  }

  private func requireMemoryOfEnd(_ needed: Int) throws {
    let limit = fineTuner.options.memoryLimit
    guard needed > limit else { return }
    throw GraftError(
      .operatingSystem,
      "evaluating and writing the trained network would take at least \(needed >> 20) MB of memory, and "
        + "\(limit >> 20) MB may be taken",
      hint: "Use smaller images (--image-size) or batches (--batch-size), or a smaller network")
  }

  /// Bytes of the kernels of layers in the type that they are exported in, and in that which computes with it, where these
  /// are others than that of training.
  private var convertedByteCount: Int {
    guard recipe.export.precision == .float16 else { return 0 }
    let graph = fineTuner.model.graph
    let kernels = fineTuner.model.weights.compactMap { graph.constants[$0] }
      .filter { $0.shape.count > 1 }
    return kernels.reduce(0) { $0 + $1.elementCount }
      * (ElementType.float16.byteWidth + ElementType.float.byteWidth)
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
