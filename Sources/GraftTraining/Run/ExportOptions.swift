import GraftExecution

/// The form in which a trained network is written.
package struct ExportOptions: Sendable, Hashable {
  /// The type of weights and of what is computed in between; inputs and outputs stay float.
  package enum Precision: String, Sendable, Codable, CaseIterable {
    case float32, float16
  }

  package var precision = Precision.float32
  /// Whether BatchNormalization moves into the weights of the layer in front of it, where there is one.
  package var foldsNormalization = false
  /// Whether `training.onnx` is written, too: with Dropout, BatchNormalization and logits as training had them.
  package var writesTrainingForm = false

  package init() {}
}

extension Recipe {
  /// How the trained network is written.
  package var export: ExportOptions {
    var options = ExportOptions()
    options.precision = exportType ?? .float32
    options.foldsNormalization = foldNormalization ?? false
    options.writesTrainingForm = exportTrainingCheckpoint ?? false
    return options
  }

  /// Takes from another recipe what this one leaves open of how the network is written.
  package mutating func keepExport(of other: Recipe) {
    exportType = exportType ?? other.exportType
    foldNormalization = foldNormalization ?? other.foldNormalization
    exportTrainingCheckpoint = exportTrainingCheckpoint ?? other.exportTrainingCheckpoint
  }
}
