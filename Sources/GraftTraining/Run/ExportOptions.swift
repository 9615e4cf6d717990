import GraftExecution

/// The exported form of a trained network.
package struct ExportOptions: Sendable, Hashable {
  /// The type of weights and intermediate values; inputs and outputs stay float.
  package enum Precision: String, Sendable, Codable, CaseIterable {
    case float32, float16
  }

  package var precision = Precision.float32
  /// Whether to fold BatchNormalization into the weights of the layer before it, if any.
  package var foldsNormalization = false
  /// Whether to write `training.onnx` too, with Dropout, BatchNormalization and logits as in
  /// training.
  package var writesTrainingForm = false

  package init() {}
}

extension Recipe {
  /// The exported form of the trained network.
  package var export: ExportOptions {
    var options = ExportOptions()
    options.precision = exportType ?? .float32
    options.foldsNormalization = foldNormalization ?? false
    options.writesTrainingForm = exportTrainingCheckpoint ?? false
    return options
  }

  /// Takes export settings from another recipe that this one does not set.
  package mutating func keepExport(of other: Recipe) {
    exportType = exportType ?? other.exportType
    foldNormalization = foldNormalization ?? other.foldNormalization
    exportTrainingCheckpoint = exportTrainingCheckpoint ?? other.exportTrainingCheckpoint
  }
}
