import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

extension FineTuner {
  /// Continues from a checkpoint. The recipe may change the number of epochs of the checkpoint's
  /// current phase, and add phases.
  ///
  /// - Throws: `GraftError` if the checkpoint belongs to another recipe, other data or other
  ///   weights, or is damaged
  package func resume(_ checkpoint: Checkpoint) throws {
    try validate(checkpoint)
    state = checkpoint.state
    let values = checkpoint.valuesByName
    var keys = CheckpointKeys(model.graph)
    changed = try changedWeights(at: state)
    let restored = try checkpoint.weights(changed, of: model)
    for id in restored.keys { original[id] = model.graph.constants[id] }
    model.setWeights(restored)
    guard state.phase < recipe.enteredPhaseCount else { return }
    // A phase that continues has no result yet.
    if !isPhaseDone { state.phaseResults = Array(state.phaseResults.prefix(state.phase)) }
    try startPhase()
    // Between phases, optimizers have no state.
    guard state.step > 0, let trainer = phase?.trainer else { return }
    let parameters = trainer.parameterNames
    keys.add(parameters)
    var state: [ValueID: Tensor] = [:]
    for (id, _) in parameters {
      guard let parameter = trainer.parameters.tensor(id) else { continue }
      state[id] = try values.tensor(keys[id], like: parameter)
    }
    trainer.restore(state)
    guard recipe.earlyStopping != nil, self.state.epoch > 0 else { return }
    bestOfPhase = try trainer.values().reduce(into: [:]) { best, entry in
      let key = CheckpointKeys.bestPrefix + keys[entry.key]
      best[entry.key] = try values.tensor(key, like: entry.value)
    }
  }

  /// Whether a run that continues from there has nothing left to train.
  ///
  /// - Throws: `GraftError` like ``resume(_:)``, except for damaged weights
  package func isFinished(at checkpoint: Checkpoint) throws -> Bool {
    try validate(checkpoint)
    return isFinished(at: checkpoint.state)
  }

  private func validate(_ checkpoint: Checkpoint) throws {
    try checkpoint.recipe.validate()
    try checkpoint.requireContinuation(in: recipe)
    try checkpoint.state.validate(for: checkpoint.recipe, imageCounts)
  }

  /// The weights that training changed up to a position in the run.
  private func changedWeights(at state: RunState) throws -> Set<ValueID> {
    // Before its first step a phase has changed nothing.
    let phases = recipe.phases.prefix(state.phase + (state.step > 0 ? 1 : 0))
    return try phases.reduce(into: []) { changed, phase in
      changed.formUnion(model.changing(training: try phase.selection.weights(of: model)))
    }
  }

  /// The names of the network's weights in checkpoints; everything else is only for resuming.
  package var weightNames: Set<ByteString> {
    let keys = CheckpointKeys(model.graph)
    return Set(model.graph.constants.keys.map { ByteString(keys[$0]) })
  }

  /// The model of a checkpoint of this run, which only needs the weights; call it after ``run()``
  /// has finished.
  ///
  /// - Throws: `GraftError` if the checkpoint is of another run, or damaged
  package func model(of checkpoint: Checkpoint) throws -> TransferModel {
    let records = checkpoint.state.history
    guard records.count <= state.history.count, records.agrees(with: state.history) else {
      throw GraftError.badData("is a checkpoint of another run")
    }
    var result = model
    result.setWeights(original)
    result.setWeights(
      try checkpoint.weights(changedWeights(at: checkpoint.state), of: model))
    return result
  }

  /// Everything needed to continue the run; valid until the next step, which overwrites the
  /// weights.
  func checkpoint() throws -> Checkpoint {
    var keys = CheckpointKeys(model.graph)
    var tensors: [ValueID: Tensor] = [:]
    for id in changed { tensors[id] = model.graph.constants[id] }
    if let trainer = phase?.trainer {
      keys.add(trainer.parameterNames)
      tensors.merge(trainer.state) { _, trained in trained }
    }
    var values = tensors.sorted { $0.key < $1.key }.map { (name: keys[$0.key], tensor: $0.value) }
    values += (bestOfPhase ?? [:]).sorted { $0.key < $1.key }.map {
      (name: CheckpointKeys.bestPrefix + keys[$0.key], tensor: $0.value)
    }
    return Checkpoint(state: state, recipe: recipe, values: values)
  }
}

extension [EpochRecord] {
  /// Whether both histories agree in their common epochs.
  package func agrees(with other: [EpochRecord]) -> Bool {
    zip(self, other).allSatisfy {
      ($0.phase, $0.epoch, $0.watchedLoss) == ($1.phase, $1.epoch, $1.watchedLoss)
    }
  }
}

extension Checkpoint {
  /// The values of some weights.
  fileprivate func weights(
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
        "phase \(number + 1) already has \(done) \(done == 1 ? "epoch" : "epochs")"
          + (isOver ? " and is finished" : ""),
        hint: "Extend the last phase, or add a phase: --epochs "
          + (self.recipe.phases.map { "\($0.epochs)" } + ["5"]).joined(separator: ","))
    }
  }
}

extension Recipe {
  /// Whether `other` is the same, except for numbers of epochs, additional phases, and export
  /// settings.
  package func isBeginning(of other: Recipe) -> Bool {
    var other = other
    other.phases.removeLast(max(0, other.phases.count - phases.count))
    for index in other.phases.indices where index < phases.count {
      other.phases[index].epochs = phases[index].epochs
    }
    if (precision ?? .float) == (other.precision ?? .float) { other.precision = precision }
    other.exportType = exportType
    other.foldNormalization = foldNormalization
    other.exportTrainingCheckpoint = exportTrainingCheckpoint
    return other == self
  }
}

extension [ByteString: Tensor] {
  /// - Throws: `GraftError` if there is no such tensor with the type and shape of `expected`
  fileprivate func tensor(_ key: String, like expected: Tensor) throws -> Tensor {
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
