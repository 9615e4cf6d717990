import GraftGraph
import GraftTensor

/// The network of a run, and the weights that training has changed.
struct TrainedNetwork {
  private(set) var model: TransferModel
  private(set) var changed: Set<ValueID> = []
  /// The original values of weights that a finished phase changed.
  private var original: [ValueID: Tensor] = [:]

  init(_ model: TransferModel) { self.model = model }

  /// Marks weights that are about to be trained.
  mutating func willTrain(_ weights: Set<ValueID>) {
    changed.formUnion(model.changing(training: weights))
  }

  /// Replaces weights by their values after a phase.
  mutating func setWeights(_ values: [ValueID: Tensor]) {
    for id in values.keys where original[id] == nil { original[id] = model.graph.constants[id] }
    model.setWeights(values)
  }

  /// Replaces statistics that are known before the first step.
  mutating func adapt(_ statistics: [ValueID: Tensor]) { model.setWeights(statistics) }

  /// Restores the weights of a checkpoint.
  ///
  /// - Parameter phases: the phases that changed weights up to the checkpoint
  /// - Throws: `GraftError` if the checkpoint lacks one of these weights
  mutating func restore(
    _ checkpoint: Checkpoint, trainedIn phases: some Sequence<Recipe.Phase>
  ) throws {
    changed = try model.changing(trainingIn: phases)
    setWeights(try checkpoint.weights(changed, of: model))
  }

  /// The model with the weights of a checkpoint; all others have their original values.
  ///
  /// - Parameter phases: the phases that changed weights up to the checkpoint
  /// - Throws: `GraftError` if the checkpoint lacks one of these weights
  func model(
    of checkpoint: Checkpoint, trainedIn phases: some Sequence<Recipe.Phase>
  ) throws -> TransferModel {
    var result = model
    result.setWeights(original)
    result.setWeights(try checkpoint.weights(model.changing(trainingIn: phases), of: model))
    return result
  }
}

extension TransferModel {
  /// The weights that some phases change.
  ///
  /// - Throws: `GraftError` if a phase names unknown weights
  func changing(trainingIn phases: some Sequence<Recipe.Phase>) throws -> Set<ValueID> {
    try phases.reduce(into: []) {
      $0.formUnion(changing(training: try $1.selection.weights(of: self)))
    }
  }
}
