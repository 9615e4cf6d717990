import GraftFiles
import GraftGraph
import GraftTensor

extension Graph {
  /// Checks the model's declared outputs, so that a detector or an image-to-image network is not
  /// mistaken for a classifier.
  ///
  /// The first of several outputs must be `[N, classes]` or `[N, classes, 1, 1]`. Others, such as
  /// features, are allowed; but integers, such as classes, indicate a detector.
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
      "the model is not a classifier: its outputs are \(described.listed(limit: 4))",
      hint: "`graft run` writes the outputs of any model")
  }
}
