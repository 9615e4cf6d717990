import GraftFiles

extension KerasWeights {
  /// Writes layers in the model's order, in the legacy layout, which all versions of Keras read:
  /// `load_weights("FILE.h5")`.
  ///
  /// - Parameters:
  ///   - layers: with float weights whose names end with `kernel` and `bias`
  /// - Throws: `GraftError` if the file cannot be written
  package static func write(_ layers: [Layer], to path: String) throws {
    try HDF5Library.write(path: path) { root in
      try root.write(layers.map(\.name), attribute: "layer_names")
      // Without these attributes, Keras assumes Keras 1, whose kernels are ordered differently.
      try root.write("tensorflow", attribute: "backend")
      try root.write("2.15.0", attribute: "keras_version")
      for layer in layers {
        try withPlace("layer '\(layer.name)'") {
          let group = try root.addGroup(layer.name)
          let names = layer.weights.map { "\(layer.name)/\($0.name):0" }
          try group.write(names, attribute: "weight_names")
          for (name, weight) in zip(names, layer.weights) {
            try group.write(weight.tensor, dataset: name)
          }
        }
      }
    }
  }
}
