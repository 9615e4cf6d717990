import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftVision

extension Graph {
  /// The part of a model between values; see ``submodel(inputs:outputs:)``.
  ///
  /// A part with other inputs loses what the file says of preparing images, and one with other
  /// outputs the labels and the kind of scores.
  package func part(inputs: [String]?, outputs: [String]?) throws -> Graph {
    var whole = self
    try whole.inferMissingTypes()
    var part = try whole.submodel(inputs: inputs, outputs: outputs)
    if part.inputs != self.inputs {
      for key in Preprocessing.MetadataKey.allCases { part.metadata[key.rawValue] = nil }
    }
    if part.outputs != self.outputs {
      part.metadata[Labels.metadataKey] = nil
      part.metadata[Scores.metadataKey] = nil
    }
    return part
  }
}
