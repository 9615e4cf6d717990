import GraftGraph

/// Factors of the learning rate for blocks and layers: `block4=0.1,block5=0.3`; the head is `head`.
///
/// Source: discriminative fine-tuning, Howard and Ruder, "Universal Language Model Fine-tuning for
/// Text Classification" (ACL 2018), section 3.2
package struct LearningRateFactors: Sendable, Hashable {
  private let names: [String]
  private let values: [Float]

  /// - Throws: `GraftError` if the text is invalid
  package init(_ text: String) throws {
    let factors = try NamedNumbers.parse(text)
    names = factors.map(\.name)
    values = factors.map { Float($0.value) }
  }

  /// The factors of weights that any name selects. If several names select a weight, the last one
  /// counts.
  ///
  /// - Throws: `GraftError` with the nearest names, if a name selects nothing
  func factors(of model: TransferModel) throws -> [ValueID: Float] {
    var factors: [ValueID: Float] = [:]
    for (name, value) in zip(names, values) {
      let selected =
        switch name {
        case "head": model.headWeights
        case "all": model.weights
        default: try WeightSelection.weights(called: name, of: model)
        }
      for id in selected { factors[id] = value }
    }
    return factors
  }
}
