import GraftFiles
import GraftGraph
import GraftKeras
import GraftOperators
import GraftPasses
import GraftTensor

/// Writes the weights of a network with a known architecture, and of dense layers on top of it, as
/// Keras HDF5.
package enum KerasExport {
  /// - Parameter includesTop: whether to write dense layers, including those of another head
  /// - Throws: `GraftError` if the architecture is unknown, or the file cannot be written
  package static func write(_ graph: Graph, includesTop: Bool, to path: String) throws {
    try KerasWeights.write(layers(of: graph, includesTop: includesTop), to: path)
  }

  private static func layers(of graph: Graph, includesTop: Bool) throws -> [KerasWeights.Layer] {
    let graph = try graph.withFloatElements()
    let suffix = "/kernel"
    let names = graph.constants.keys.map { graph[$0].name }.filter { $0.hasSuffix(suffix) }
      .map { String($0.dropLast(suffix.count)) }
    guard let architecture = KnownArchitecture.matching(layers: Set(names)) else {
      throw GraftError.unsupported(
        "the network's layers match no known architecture, so that Keras could not load them",
        hint: "Use \(KnownArchitecture.names.joined(separator: " or ")), or write ONNX instead")
    }
    let isComplete = names.contains(architecture.topLayer)
    let own = try architecture.kerasWeights(graph, includesTop && isComplete).map {
      layer($0.layer, kernel: $0.kernel, bias: $0.bias)
    }
    return includesTop && !isComplete ? try own + head(of: graph) : own
  }

  private static func layer(_ name: String, kernel: Tensor, bias: Tensor) -> KerasWeights.Layer {
    KerasWeights.Layer(
      name: name, path: name,
      weights: [
        KerasWeights.Weight(name: "kernel", tensor: kernel),
        KerasWeights.Weight(name: "bias", tensor: bias),
      ])
  }

  /// The dense layers, from input to output.
  private static func head(of graph: Graph) throws -> [KerasWeights.Layer] {
    var graph = graph
    try graph.inferTypes()
    let producers = graph.producers()
    return try graph.nodes.filter { $0.is(Gemm.self) }.map { node in
      try withPlace(graph.label(node)) {
        let product = try node.operation(as: Gemm.self)?.attributes
        guard let product, product.alpha == 1, product.beta == 1, !product.isLeftTransposed,
          !product.isRightTransposed, node.inputs.count == 3,
          let kernel = graph.constant(node.inputs[1]),
          let bias = graph.constant(node.inputs[2]), kernel.elementType == .float
        else { throw GraftError.unsupported("is not a Keras dense layer") }
        let name = node.name.isEmpty ? graph[node.outputs[0]!].name : node.name
        return layer(
          name.replacing("/", with: "_"),
          kernel: try channelsLast(kernel, after: node.inputs[0], in: graph, producers),
          bias: bias)
      }
    }
  }

  /// The kernel with rows in Keras's order of flattened maps, `[H, W, C]`, if it reads one.
  private static func channelsLast(
    _ kernel: Tensor, after input: ValueID?, in graph: Graph, _ producers: [ValueID: Int]
  ) throws -> Tensor {
    guard let flatten = input.flatMap({ producers[$0] }).map({ graph.nodes[$0] }),
      flatten.is(Flatten.self) || flatten.is(Reshape.self),
      let shape = flatten.inputs[0].flatMap({ graph[$0].type?.tensor?.shape }), shape.count == 4
    else { return kernel }
    if let producer = flatten.inputs[0].flatMap({ producers[$0] }),
      let transpose = try graph.nodes[producer].operation(as: Transpose.self)
    {
      guard transpose.permutation == [0, 2, 3, 1] else {
        throw GraftError.unsupported("flattens maps in another order than Keras")
      }
      return kernel
    }
    guard let channels = shape[1].known, let height = shape[2].known, let width = shape[3].known,
      channels * height * width == kernel.shape[0]
    else {
      throw GraftError.unsupported("flattens maps of unknown extents")
    }
    guard height * width > 1 else { return kernel }
    let units = kernel.shape[1]
    let values = try kernel.elements(as: Float.self)
    var rows: [Float] = []
    rows.reserveCapacity(values.count)
    for position in 0..<height * width {
      for channel in 0..<channels {
        let row = channel * height * width + position
        rows += values[row * units..<(row + 1) * units]
      }
    }
    return try Tensor(rows, shape: kernel.shape)
  }
}
