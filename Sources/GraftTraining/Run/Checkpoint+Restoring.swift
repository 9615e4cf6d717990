import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension Checkpoint {
  /// The values of some weights.
  func weights(
    _ ids: Set<ValueID>, of model: TransferModel
  ) throws -> [ValueID: Tensor] {
    let values = valuesByName
    let keys = CheckpointKeys(model.graph)
    var weights: [ValueID: Tensor] = [:]
    for id in ids {
      guard let constant = model.graph.constants[id] else { continue }
      weights[id] = try values.tensor(keys[id], like: constant)
    }
    return weights
  }

  /// - Throws: `GraftError` if a run of `recipe` cannot reach the state of this checkpoint
  package func requireContinuation(in recipe: Recipe) throws {
    guard self.recipe.isBeginning(of: recipe) else {
      throw GraftError.usage(
        "the checkpoint belongs to another recipe", hint: "Resume with the recipe of its folder")
    }
    for (number, (old, new)) in zip(self.recipe.phases, recipe.phases).enumerated() {
      let done = state.history.count { $0.phase == number + 1 }
      let isOver = number < state.phase
      // A phase that stopped early is not affected by more epochs.
      let isImpossible =
        isOver
        ? old.epochs != new.epochs && done >= min(old.epochs, new.epochs) : new.epochs < done
      guard isImpossible else { continue }
      throw GraftError.usage(
        "phase \(number + 1) already has \(done.counting("epoch"))"
          + (isOver ? " and is finished" : ""),
        hint: "Extend the last phase, or add a phase: --epochs "
          + (self.recipe.phases.map { "\($0.epochs)" } + ["5"]).joined(separator: ","))
    }
  }
}

extension [ByteString: Tensor] {
  /// - Throws: `GraftError` if there is no such tensor with the type and shape of `expected`
  func tensor(_ key: String, like expected: Tensor) throws -> Tensor {
    guard let tensor = self[key], tensor.shape == expected.shape,
      tensor.elementType == expected.elementType
    else {
      throw GraftError.badData(
        "the checkpoint is damaged, or of another network: it has no '\(key)' of type "
          + "\(expected.elementType)\(expected.shape)",
        hint: "Restore it, or start another run with --output")
    }
    let isFinite = tensor.withUnsafeBytes { bytes in
      tensor.elementType != .float
        || stride(from: 0, to: bytes.count, by: MemoryLayout<Float>.size).allSatisfy {
          bytes.loadUnaligned(fromByteOffset: $0, as: Float.self).isFinite
        }
    }
    guard isFinite else {
      throw GraftError.badData(
        "the checkpoint is damaged: '\(key)' has numbers that are not finite",
        hint: "Restore it, or start another run with --output")
    }
    return tensor
  }
}
