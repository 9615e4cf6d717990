import GraftFiles
import GraftGraph
import GraftTensor

extension VGGArchitecture {
  /// The weights of a network from ``graph(weights:includeTop:labels:)`` in Keras's layout, layer
  /// by layer: kernel and bias.
  ///
  /// - Throws: `GraftError` naming the first layer that is missing or has another shape
  func weights(
    of graph: Graph, includeTop: Bool
  ) throws -> [(layer: String, kernel: Tensor, bias: Tensor)] {
    let constants = Dictionary(
      graph.constants.map { (graph[$0.key].name, $0.value) },
      uniquingKeysWith: { first, _ in first })
    return try layers(includeTop: includeTop).map { layer in
      try withPlace("layer '\(layer.name)'") {
        guard let stored = constants["\(layer.name)/kernel"],
          let bias = constants["\(layer.name)/bias"],
          stored.elementType == .float, bias.elementType == .float
        else { throw GraftError.badData("has no kernel and bias of floats") }
        let kernel = layer.kind == .convolution ? try kerasKernel(ofConvolution: stored) : stored
        guard kernel.shape == layer.kernelShape, bias.shape == layer.biasShape else {
          throw GraftError.badData(
            "has the shapes \(kernel.shape) and \(bias.shape); "
              + "\(name) has \(layer.kernelShape) and \(layer.biasShape)"
          )
        }
        return (layer.name, kernel, bias)
      }
    }
  }
}
