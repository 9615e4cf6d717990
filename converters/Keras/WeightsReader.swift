import GraftFiles
import GraftTensor

/// Finds the weights in an HDF5 file.
package struct WeightsReader {
  package private(set) var layers: [KerasWeights.Layer] = []
  /// Whether the layers have their names from the model; otherwise they are named after their
  /// classes.
  package private(set) var hasStoredNames = true
  private let file: HDF5File

  /// - Throws: `GraftError` naming the invalid object
  package init(_ file: HDF5File) throws {
    self.file = file
    let tree = try HDF5Tree(of: file)
    let root = try file.root()
    if let weights = try legacyContainer(root) {
      try readLegacy(weights.group, layerNames: weights.layerNames)
    } else {
      try readLayers(of: tree.root, root: root)
    }
    guard !layers.isEmpty else {
      let names = tree.root.groups.map(\.name) + tree.root.datasets
      throw GraftError.badData(
        "contains no Keras weights: no attribute 'layer_names', and no group with variables",
        hint: "It contains \(names.isEmpty ? "nothing" : names.prefix(20).joined(separator: ", "))")
    }
  }

  // MARK: The legacy layout, with the names of layers and weights in attributes

  /// The group with the layers: the root of a weights file, or `model_weights` of a whole model.
  private func legacyContainer(
    _ root: HDF5Object
  ) throws -> (group: HDF5Object, layerNames: [String])? {
    if let names = try names("layer_names", of: root) { return (root, names) }
    guard let weights = try root.member("model_weights"), weights.kind == .group,
      let names = try names("layer_names", of: weights)
    else { return nil }
    return (weights, names)
  }

  private mutating func readLegacy(_ container: HDF5Object, layerNames: [String]) throws {
    try checkCount(layerNames.count)
    var weightCount = 0
    for layerName in layerNames {
      let layer = try withPlace("layer '\(layerName)'") {
        guard let group = try container.member(layerName), group.kind == .group else {
          throw GraftError.badData("is listed in 'layer_names', but has no group")
        }
        let weightNames = try names("weight_names", of: group) ?? []
        weightCount += weightNames.count
        try checkCount(weightCount)
        let weights = try weightNames.map { weightName in
          try withPlace("weight '\(weightName)'") {
            guard let dataset = try group.member(weightName), dataset.kind == .dataset else {
              throw GraftError.badData("is listed in 'weight_names', but has no dataset")
            }
            return KerasWeights.Weight(name: weightName, tensor: try tensor(dataset))
          }
        }
        return KerasWeights.Layer(name: layerName, path: layerName, weights: weights)
      }
      layers.append(layer)
    }
  }

  /// A list of names, which Keras splits into `name0`, `name1`… when it is too large for an
  /// attribute.
  private func names(_ name: String, of object: HDF5Object) throws -> [String]? {
    let attributes = try object.attributes()
    if let whole = try attributes[name]?.strings() { return whole }
    var parts: [String] = []
    var index = 0
    while let part = try attributes["\(name)\(index)"]?.strings() {
      parts += part
      index += 1
      try checkCount(parts.count + index)
    }
    return index == 0 ? nil : parts
  }

  private func checkCount(_ count: Int) throws {
    guard count <= file.limits.objectCount else { throw GraftError.badData("has too many objects") }
  }

  // MARK: The layout of Keras 3, with a group per layer and numbered variables in `vars`

  private mutating func readLayers(of model: HDF5Tree.Group, root: HDF5Object) throws {
    hasStoredNames = false
    var model = model
    model.groups.removeAll { KerasLayout.isTrainingState($0.name) }
    try readLayer(model, root: root)
  }

  private mutating func readLayer(_ group: HDF5Tree.Group, root: HDF5Object) throws {
    if let variables = group.group("vars") {
      try withPlace("layer '\(group.path)'") {
        guard let object = try root.member(variables.path) else {
          throw GraftError.badData("has no variables")
        }
        let stored = try object.attributes()["name"]?.strings()
        if stored != nil { hasStoredNames = true }
        let weights = try variables.datasets.sorted(by: KerasLayout.precedes).map { variable in
          try withPlace("variable '\(variable)'") {
            guard let dataset = try object.member(variable) else {
              throw GraftError.badData("is missing")
            }
            return KerasWeights.Weight(name: variable, tensor: try tensor(dataset))
          }
        }
        layers.append(
          KerasWeights.Layer(
            name: stored?.first ?? group.name, path: String(group.path.dropFirst()),
            weights: weights))
      }
    }
    for member in KerasLayout.sorted(group.groups) where member.name != "vars" {
      try readLayer(member, root: root)
    }
  }

  // MARK: Datasets

  private func tensor(_ object: HDF5Object) throws -> Tensor {
    let dataset = try object.dataset()
    // NumPy has no bfloat16: Keras stores its bytes and names the type in an attribute.
    if case .opaque(2, _) = dataset.type,
      try object.attributes()["dtype"]?.strings() == ["bfloat16"]
    {
      return try dataset.tensor(opaqueAs: .bfloat16)
    }
    let tensor = try dataset.tensor()
    guard tensor.elementType != .string else {
      throw GraftError.unsupported("has elements of text instead of numbers")
    }
    return tensor
  }
}
