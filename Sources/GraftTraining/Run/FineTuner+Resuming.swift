import GraftRuntime

extension FineTuner {
  /// Goes on where a checkpoint stands.
  ///
  /// - Throws: `GraftError` if it belongs to another recipe, other data or other weights, or is damaged.
  package func resume(_ checkpoint: Checkpoint) throws {
    guard checkpoint.recipe == recipe else {
      throw GraftError.usage(
        "the checkpoint belongs to another recipe", hint: "Resume with the recipe of its folder")
    }
    try checkpoint.state.validate(for: recipe, pictureCounts)
    state = checkpoint.state
    let values = checkpoint.valuesByName
    var keys = CheckpointKeys(model.graph)
    // In front of its first step a phase has changed nothing.
    for phase in recipe.phases.prefix(state.phase + (state.step > 0 ? 1 : 0)) {
      changed.formUnion(
        model.changing(training: try phase.selection.weights(of: model)))
    }
    var restored: [ValueID: Tensor] = [:]
    for id in changed {
      guard let constant = model.graph.constants[id] else { continue }
      restored[id] = try values.tensor(keys[id], like: constant)
    }
    model.take(restored)
    guard state.phase < recipe.phases.count else { return }
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

extension [String: Tensor] {
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
    return tensor
  }
}
