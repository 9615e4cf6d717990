import GraftFiles
import GraftGraph
import GraftTensor

extension FineTuner {
  /// Goes on where a checkpoint stands. The recipe may give the current phase another number of epochs than that of the
  /// checkpoint, and have further phases.
  ///
  /// - Throws: `GraftError` if it belongs to another recipe, other data or other weights, or is damaged.
  package func resume(_ checkpoint: Checkpoint) throws {
    try validate(checkpoint)
    state = checkpoint.state
    let values = checkpoint.valuesByName
    var keys = CheckpointKeys(model.graph)
    changed = try changedWeights(at: state)
    let restored = try checkpoint.weights(changed, of: model)
    for id in restored.keys { original[id] = model.graph.constants[id] }
    model.take(restored)
    guard state.phase < recipe.enteredPhaseCount else { return }
    // A phase that goes on has no result yet.
    if !isPhaseDone { state.phaseResults = Array(state.phaseResults.prefix(state.phase)) }
    try startPhase()
    // Between phases there is no state of an optimizer.
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

  /// Whether nothing is left to train for a run that goes on there.
  ///
  /// - Throws: `GraftError` as ``resume(_:)``, but for damaged weights.
  package func isFinished(at checkpoint: Checkpoint) throws -> Bool {
    try validate(checkpoint)
    return isFinished(at: checkpoint.state)
  }

  private func validate(_ checkpoint: Checkpoint) throws {
    try checkpoint.recipe.validate()
    try checkpoint.requireContinuation(in: recipe)
    try checkpoint.state.validate(for: checkpoint.recipe, imageCounts)
  }

  /// Weights that training changed up to a position of the run.
  private func changedWeights(at state: RunState) throws -> Set<ValueID> {
    // In front of its first step a phase has changed nothing.
    let phases = recipe.phases.prefix(state.phase + (state.step > 0 ? 1 : 0))
    return try phases.reduce(into: []) { changed, phase in
      changed.formUnion(model.changing(training: try phase.selection.weights(of: model)))
    }
  }

  /// What checkpoints call the network's weights; all else in them is for training to go on.
  package var weightNames: Set<ByteString> {
    let keys = CheckpointKeys(model.graph)
    return Set(model.graph.constants.keys.map { ByteString(keys[$0]) })
  }

  /// The model as a checkpoint of this run has it, which needs no values but weights; to be called when ``run()`` came
  /// to its end.
  ///
  /// - Throws: `GraftError` if the checkpoint is none of this run, or damaged.
  package func model(of checkpoint: Checkpoint) throws -> TransferModel {
    let records = checkpoint.state.history
    guard records.count <= state.history.count, records.agrees(with: state.history) else {
      throw GraftError.badData("is a checkpoint of another run")
    }
    var result = model
    result.take(original)
    result.take(
      try checkpoint.weights(changedWeights(at: checkpoint.state), of: model))
    return result
  }

  /// All that continuing the run takes; valid until the next step, which changes the weights where they lie.
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
  /// Whether the same epochs came to the same in both, as far as both go.
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

  /// - Throws: `GraftError` if a run of `recipe` cannot come by where this checkpoint stands.
  package func requireContinuation(in recipe: Recipe) throws {
    guard self.recipe.isBeginning(of: recipe) else {
      throw GraftError.usage(
        "the checkpoint belongs to another recipe", hint: "Resume with the recipe of its folder")
    }
    for (number, (old, new)) in zip(self.recipe.phases, recipe.phases).enumerated() {
      let done = state.history.count { $0.phase == number + 1 }
      let isOver = number < state.phase
      // A phase that was stopped early comes to the same with more epochs.
      let isImpossible =
        isOver
        ? old.epochs != new.epochs && done >= min(old.epochs, new.epochs) : new.epochs < done
      guard isImpossible else { continue }
      throw GraftError.usage(
        "phase \(number + 1) has had \(done) \(done == 1 ? "epoch" : "epochs")"
          + (isOver ? " and is over" : ""),
        hint: "Give the last phase more epochs, or add a phase: --epochs "
          + (self.recipe.phases.map { "\($0.epochs)" } + ["5"]).joined(separator: ","))
    }
  }
}

extension Recipe {
  /// Whether `other` says the same, but for numbers of epochs, further phases, and how the network is exported.
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
  /// - Throws: `GraftError` if there is no such tensor of the type and shape of `expected`.
  fileprivate func tensor(_ key: String, like expected: Tensor) throws -> Tensor {
    guard let tensor = self[key], tensor.shape == expected.shape,
      tensor.elementType == expected.elementType
    else {
      throw GraftError.badData(
        "the checkpoint is damaged, or of another network: it holds no '\(key)' of type "
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
        "the checkpoint is damaged: '\(key)' holds numbers that are not finite",
        hint: "Restore it, or start another run with --output")
    }
    return tensor
  }
}
