import GraftRuntime

extension Graph {
  /// Looks at what the model declares of its outputs, so that a detector or a network that makes images is
  /// not taken for a classifier.
  ///
  /// The first output has to be `[N, classes]`, with axes of extent 1 behind. Other outputs may be there, such
  /// as features, but a second one of numbers of classes says that the model finds things.
  ///
  /// - Throws: `GraftError` that lists the outputs
  func requireOutputOfClassifier() throws {
    guard outputs.count > 1 else { return }
    let types = outputs.map { self[$0].type?.tensor }
    let hasIndices = types.contains { $0.map { !$0.elementType.isFloatingPoint } ?? false }
    let hasScores =
      types[0]?.shape.map { shape in
        shape.count >= 2 && shape[1] != 1
          && (shape.count == 2 || shape[2...].allSatisfy { $0 == 1 })
      } ?? true
    guard hasIndices || !hasScores else { return }
    let described = outputs.map {
      "\(self[$0].name): \(self[$0].type?.description ?? "unknown type")"
    }
    throw GraftError.badData(
      "the model is no classifier: it has \(outputs.count) outputs, \(described.listed(limit: 4))",
      hint: "Graft does not draw what detectors find; `graft run` writes the outputs of any model")
  }
}
