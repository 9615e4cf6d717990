import GraftRuntime

/// What a run will take of memory, known before it begins.
extension FineTuner {
  /// - Parameter phases: from 0; those that are still to run
  /// - Throws: `GraftError` that says which phase takes more than the options allow, and with which settings it would not.
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
        "phase \(number + 1) would take \(needed >> 20) MB of memory with batches of "
          + "\(recipe.batchSize), and \(limit >> 20) MB may be taken",
        hint: suggestions.isEmpty
          ? "Use smaller images (--image-size), or train less of the network (--unfreeze)"
          : "Use " + suggestions.joined(separator: ", or "))
    }
  }

  /// The largest power of two below the recipe's batch for which `fits` is true; less memory never takes more.
  private func largestBatch(where fits: (Int) throws -> Bool) throws -> Int? {
    var size = 1
    while size * 2 < recipe.batchSize { size *= 2 }
    while size >= 1, size < recipe.batchSize {
      if try fits(size) { return size }
      size /= 2
    }
    return nil
  }

  /// Bytes that a phase takes besides the network as it was read.
  private func byteCount(
    ofPhase number: Int, batchSize: Int, _ recomputes: Bool
  ) throws -> Int {
    let cut = try cut(recipe.phases[number])
    var settings = try trainerSettings(recipe.phases[number])
    settings.recomputes = recomputes
    var planning = options.executable
    planning.memoryLimit = .max
    let graphs = try TrainingGraphs(cut.trainable, seed: 0, settings: settings)
    var sum = try graphs.byteCount(sampleCount: batchSize, options: planning)
    let picture = batches.pictureShape.elementCount * MemoryLayout<Float>.size
    let frozenBatch = model.takesOneImage ? 1 : batchSize
    sum += picture * frozenBatch
    if !cut.frozen.nodes.isEmpty {
      let frozen = try Executable(cut.frozen, options: planning)
      sum += try frozen.plannedByteCount(batch: frozenBatch) + frozen.packedConstants.byteCount
    }
    let features = cut.frozen.outputs.reduce(0) { sum, id in
      let shape = cut.frozen[id].type?.tensor?.shape ?? []
      return sum + shape.dropFirst().reduce(1) { $0 * ($1.known ?? 1) }
    }
    let featureBytes = features * MemoryLayout<Float>.size
    sum += featureBytes * batchSize
    if options.keepsFeatures {
      let changing = augmentation == nil ? 0 : pictureCounts.training
      let variants = cut.frozen.nodes.isEmpty ? 0 : recipe.cachedAugmentations ?? 0
      let (kept, overflow) = featureBytes.multipliedReportingOverflow(
        by: batches.items.count - changing + changing * variants)
      // Above the limit they lie in a file.
      if !overflow, kept <= options.featureMemoryLimit { sum += kept }
    }
    if augmentation != nil {
      sum += min(
        DecodedPictures.memoryLimit, batches.pictureShape.elementCount * batches.items.count)
    }
    // The best weights of the phase, and the last ones at its end.
    if recipe.earlyStopping != nil {
      sum +=
        2
        * graphs.ownParameters.reduce(0) {
          $0 + (graphs.complete.parameters[$1]?.byteCount ?? 0)
        }
    }
    return sum
  }
}
