import GraftGraph
import GraftTensor

/// VGG19: 16 convolutions in five blocks, and three dense layers on top.
///
/// Input `[N, 3, 224, 224]` in BGR order minus ImageNet's means (preprocessing `keras-caffe`);
/// output `[N, 1000]`, probabilities. Without top: `[N, 3, H, W]` to `[N, 512, H/32, W/32]`.
///
/// Source: Simonyan and Zisserman, <https://arxiv.org/abs/1409.1556>; layers as in
/// <https://keras.io/api/applications/vgg/>.
package enum VGG19 {
  static let architecture = VGGArchitecture(name: "vgg19", convolutionsPerBlock: [2, 2, 4, 4, 4])

  /// The network with the given weights.
  ///
  /// - Parameters:
  ///   - weights: the Keras kernel and bias of each layer, by the layer's name
  ///   - includeTop: whether to end with the dense layers or with `block5_pool`
  ///   - labels: the names of the classes, stored in the graph's metadata
  /// - Throws: `GraftError` naming all layers that are missing or have other shapes
  package static func graph(
    weights: [String: [Tensor]], includeTop: Bool = true, labels: [String]? = nil
  ) throws -> Graph {
    try architecture.graph(weights: weights, includeTop: includeTop, labels: labels)
  }

  /// The network without top, with initial weights for training from scratch.
  package static func randomGraph(using generator: inout some RandomNumberGenerator) throws -> Graph
  {
    try architecture.randomGraph(using: &generator)
  }

  /// The weights of such a network in Keras's layout, layer by layer.
  ///
  /// - Throws: `GraftError` naming the first layer that is missing or has another shape
  package static func weights(
    of graph: Graph, includeTop: Bool
  ) throws -> [(layer: String, kernel: Tensor, bias: Tensor)] {
    try architecture.weights(of: graph, includeTop: includeTop)
  }
}
