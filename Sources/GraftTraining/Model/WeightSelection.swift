import GraftFiles
import GraftGraph
import GraftPasses

/// The weights to train: `all`, `none`, `head`, or names of blocks, layers and weights, as in
/// ``LayerNamePattern``.
package struct WeightSelection: Sendable, Hashable {
  private let text: String
  private let exceptions: String

  /// The head is always trained.
  ///
  /// - Parameters:
  ///   - text: parts separated by commas
  ///   - exceptions: parts of `text` that are not trained
  package init(_ text: String, except exceptions: String? = nil) {
    self.text = text
    self.exceptions = exceptions ?? "none"
  }

  /// The selected weights, including the head's.
  ///
  /// - Throws: `GraftError` with the nearest names, if a name selects nothing
  package func weights(of model: TransferModel) throws -> Set<ValueID> {
    let selected = try WeightSelection.weights(text, of: model)
    return try selected.subtracting(WeightSelection.weights(exceptions, of: model))
      .union(model.headWeights)
  }

  private static func weights(
    _ text: String, of model: TransferModel
  ) throws -> Set<ValueID> {
    var selected: Set<ValueID> = []
    for part in text.split(separator: ",").map(String.init) {
      switch part.trimmed {
      case "none", "head": continue
      case "all": selected.formUnion(model.weights)
      case let name: selected.formUnion(try weights(called: name, of: model))
      }
    }
    return selected
  }

  /// The weights that a name or pattern selects, by their own names or those of their layers.
  ///
  /// - Throws: `GraftError` with the nearest names, if there are none
  static func weights(called name: String, of model: TransferModel) throws -> [ValueID] {
    let pattern = LayerNamePattern(name)
    let layers = model.layers
    var selected: Set<ValueID> = []
    var isLayer = false
    for layer in layers {
      let isMatch = pattern.matches(layer.name)
      isLayer = isLayer || isMatch
      selected.formUnion(
        layer.weights.filter { isMatch || pattern.matches(model.graph[$0].name) })
    }
    guard selected.isEmpty else { return model.weights.filter(selected.contains) }
    guard !isLayer else {
      throw GraftError.usage(
        "the layer '\(name)' has no weights to train",
        hint: "`graft inspect` shows which layers have parameters")
    }
    let names = layers.filter { !$0.weights.isEmpty }.flatMap { layer in
      [layer.name] + layer.weights.map { model.graph[$0].name }
    }
    throw GraftError.usage(
      "there is no layer '\(name)'",
      hint: nearestNamesHint(
        name, among: names + names.flatMap(LayerNamePattern.beginnings)))
  }
}

extension Recipe.Phase {
  /// - Throws: `GraftError` with the nearest names, if one selects nothing
  func requireWeights(of model: TransferModel) throws {
    _ = try using("unfreeze") { try WeightSelection(unfreeze).weights(of: model) }
    _ = try using("freeze") { try WeightSelection("none", except: freeze).weights(of: model) }
  }
}
