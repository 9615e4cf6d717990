import GraftFiles
import GraftGraph

extension Graph {
  /// Looks at what the model declares of its outputs, so that a detector or a network that makes images is
  /// not taken for a classifier.
  ///
  /// Of several outputs the first has to be `[N, classes]` or `[N, classes, 1, 1]`. Others may be there, such as
  /// features, but whole numbers, such as those of classes, say that the model finds things.
  ///
  /// - Throws: `GraftError` that lists the outputs
  func requireOutputOfClassifier() throws {
    guard outputs.count > 1 else { return }
    let types = outputs.map { self[$0].type?.tensor }
    let hasIndices = types.contains { $0.map { !$0.elementType.isFloatingPoint } ?? false }
    let hasScores =
      types[0]?.shape.map { shape in
        shape.count == 2 || shape.count == 4 && shape[2] == 1 && shape[3] == 1
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
