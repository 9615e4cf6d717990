import GraftFiles
import GraftGraph
import GraftTensor

/// The weights of a Keras model, layer by layer, read from an HDF5 file.
///
/// It reads two layouts. The legacy one has attributes `layer_names` and `weight_names`, at the
/// root of a weights file or in `model_weights` of a whole model. Keras 3 has groups
/// `layers/NAME/vars` (`.weights.h5`). The tensors of contiguous datasets refer to the mapped file.
///
/// Source: <https://keras.io/api/models/model_saving_apis/weights_saving_and_loading/>
package struct KerasWeights: Sendable {
  package struct Layer: Sendable {
    /// The layer's name in the model.
    package let name: String
    /// The group in the file, below the root or `model_weights`.
    package let path: String
    /// In the order of Keras's `layer.weights`: kernel before bias.
    package let weights: [Weight]

    package init(name: String, path: String, weights: [Weight]) {
      self.name = name
      self.path = path
      self.weights = weights
    }
  }

  package struct Weight: Sendable {
    package let name: String
    package let tensor: Tensor

    package init(name: String, tensor: Tensor) {
      self.name = name
      self.tensor = tensor
    }
  }

  /// In the model's order (legacy layout) or sorted by group name (Keras 3).
  package let layers: [Layer]
  /// Whether layers have their names from the model. Early Keras 3 files name them after their
  /// classes: `conv2d`, `conv2d_1`, `dense`.
  package let hasStoredNames: Bool
  /// The file with the weights.
  package let source: Graph.SourceFile?

  /// Reads the weights of the file at `path`.
  ///
  /// - Throws: `GraftError` naming the file, and the invalid object in it
  package static func read(_ path: String) throws -> KerasWeights {
    let contents = try Storage.mappedFile(path: path)
    return try withPlace(path) {
      if let kind = FileKind.recognize(contents), !kind.isHDF5 {
        throw kind.error(
          expected: "an HDF5 file", advice: "Write it with Keras: model.save_weights")
      }
      let reader = try WeightsReader(HDF5File(contents: contents))
      return KerasWeights(
        layers: reader.layers, hasStoredNames: reader.hasStoredNames,
        source: contents.file.map { Graph.SourceFile(path: path, identity: $0) })
    }
  }
}

extension KerasWeights {
  /// The weights of the layers that have any, by layer name.
  package var tensorsByLayer: [String: [Tensor]] {
    let pairs = layers.lazy.filter { !$0.weights.isEmpty }
      .map { ($0.name, $0.weights.map(\.tensor)) }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }
}
