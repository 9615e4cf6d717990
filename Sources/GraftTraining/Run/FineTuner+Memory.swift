import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor

/// The memory that a run needs, checked before it starts.
extension FineTuner {
  /// - Parameter phases: the remaining phases, from 0
  /// - Throws: `GraftError` that says which phase exceeds the limit, and which settings would avoid
  ///   that
  package func requireMemory(of phases: Range<Int>) throws {
    let limit = options.memoryLimit
    for number in phases where recipe.phases[number].epochs > 0 {
      let needed = try byteCount(ofPhase: number, batchSize: recipe.batchSize, options.recomputes)
      guard needed > limit else { continue }
      func fits(_ batchSize: Int, _ recomputes: Bool) throws -> Bool {
        try byteCount(ofPhase: number, batchSize: batchSize, recomputes) <= limit
      }
      var suggestions: [String] = []
      if try !options.recomputes && fits(recipe.batchSize, true) {
        suggestions.append("--recompute, with the same results")
      }
      if let batchSize = try largestBatch(where: { try fits($0, options.recomputes) }) {
        suggestions.append("--batch-size \(batchSize)")
      } else if let batchSize = try options.recomputes
        ? nil : largestBatch(where: { try fits($0, true) })
      {
        suggestions.append("--batch-size \(batchSize) and --recompute")
      }
      throw GraftError(
        .operatingSystem,
        "phase \(number + 1) needs \(needed >> 20) MB of memory with batches of "
          + "\(recipe.batchSize); the limit is \(limit >> 20) MB",
        hint: suggestions.isEmpty
          ? "Use smaller images (--image-size), or train less of the network (--unfreeze)"
          : "Use " + suggestions.joined(separator: ", or "))
    }
  }

  /// The largest power of two below the recipe's batch for which `fits` is true; a smaller batch
  /// never needs more memory.
  private func largestBatch(where fits: (Int) throws -> Bool) throws -> Int? {
    var size = 1
    while size * 2 < recipe.batchSize { size *= 2 }
    while size >= 1, size < recipe.batchSize {
      if try fits(size) { return size }
      size /= 2
    }
    return nil
  }

  /// The bytes of the network after training: as it was read, its trained weights, the same for the
  /// best epoch, and images in memory.
  package func byteCountAfterTraining() throws -> Int {
    let trained = try byteCount(trainedIn: recipe.phases)
    let best = images.counts.validation > 0 ? trained : 0
    return model.graph.heapByteCount() + trained + best + decodedByteCount
  }

  /// The bytes of the weights that phases change, in addition to the original ones.
  private func byteCount(trainedIn phases: some Sequence<Recipe.Phase>) throws -> Int {
    let trained = try model.changing(trainingIn: phases.filter { $0.epochs > 0 })
    return trained.reduce(0) { $0 + (model.graph.constants[$1]?.byteCount ?? 0) }
  }

  /// The bytes of decoded images in memory.
  private var decodedByteCount: Int {
    images.augmentation == nil
      ? 0
      : min(
        DecodedImages.memoryLimit, images.inputs.imageShape.elementCount * images.inputs.items.count
      )
  }

  /// The bytes that a phase needs, including the network.
  ///
  /// - Parameters:
  ///   - number: from 0
  ///   - recomputes: as ``Options/recomputes``
  package func byteCount(
    ofPhase number: Int, batchSize: Int, _ recomputes: Bool
  ) throws -> Int {
    let cut = try cut(recipe.phases[number])
    var settings = try trainerSettings(recipe.phases[number])
    settings.recomputes = recomputes
    var planning = options.executable
    planning.memoryLimit = .max
    let graphs = try TrainingGraphs(cut.trainable, seed: 0, settings: settings)
    var sum = try graphs.byteCount(sampleCount: batchSize, options: planning)
    sum += try model.graph.heapByteCount() + byteCount(trainedIn: recipe.phases[..<number])
    let image = images.inputs.imageShape.elementCount * MemoryLayout<Float>.size
    let frozenBatch = model.takesOneImage ? 1 : batchSize
    sum += image * frozenBatch
    if !cut.frozen.nodes.isEmpty {
      let frozen = try Executable(cut.frozen, options: planning)
      sum += try frozen.plannedByteCount(batch: frozenBatch)
      sum += frozen.graph.heapByteCount(besides: cut.frozen)
    }
    let features = cut.frozen.outputs.reduce(0) { sum, id in
      let shape = cut.frozen[id].type?.tensor?.shape ?? []
      return sum + shape.dropFirst().reduce(1) { $0 * ($1.known ?? 1) }
    }
    let featureBytes = features * MemoryLayout<Float>.size
    sum += featureBytes * batchSize
    if options.keepsFeatures {
      let changing = images.augmentation == nil ? 0 : images.counts.training
      let variants = cut.frozen.nodes.isEmpty ? 0 : recipe.cachedAugmentations ?? 0
      let (kept, overflow) = featureBytes.multipliedReportingOverflow(
        by: images.inputs.items.count - changing + changing * variants)
      // Above the limit they are in a file.
      if !overflow, kept <= options.featureMemoryLimit { sum += kept }
    }
    sum += decodedByteCount
    // At the end the network receives the weights; early stopping keeps the best ones, and at the
    // end the last ones.
    let copyCount = recipe.earlyStopping == nil ? 1 : 3
    sum +=
      copyCount
      * graphs.ownParameters.reduce(0) {
        $0 + (graphs.complete.parameters[$1]?.byteCount ?? 0)
      }
    return sum
  }
}

extension Graph {
  /// The bytes of constants in memory, excluding mapped files.
  ///
  /// - Parameter other: a graph whose constants do not count
  package func heapByteCount(besides other: Graph? = nil) -> Int {
    var seen = Set(other?.constants.values.map { ObjectIdentifier($0.storage) } ?? [])
    var sum = 0
    for tensor in constants.values where tensor.storage.file == nil {
      if seen.insert(ObjectIdentifier(tensor.storage)).inserted { sum += tensor.storage.byteCount }
    }
    return sum
  }
}
