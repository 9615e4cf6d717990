import GraftFiles
import GraftGraph
import GraftTensor

/// A small residual network for small images: eight convolutions with BatchNormalization in three
/// stages; the first and the last stage end with a residual block. A dense layer on top makes nine
/// layers.
///
/// `[N, 3, H, W]` to `[N, 176, H/8, W/8]`, 0.9 million weights. Preprocessing `unit`.
///
/// Source: the network of Page, "How to Train Your ResNet" (2018),
/// <https://myrtle.ai/learn/how-to-train-your-resnet/>, with fewer channels.
package enum ResNet9 {
  /// Channels of the first convolution and of each stage.
  static let channels = [32, 64, 128, 176]
  static let hasResidual = [true, false, true]

  /// The network without top, with initial weights for training from scratch.
  package static func randomGraph(using generator: inout some RandomNumberGenerator) throws -> Graph
  {
    var graph = Graph(name: "resnet9")
    let input = graph.addInput(
      name: "input_1",
      type: TensorType(.float, [.symbol("N"), 3, .symbol("H"), .symbol("W")]))
    var value = try addConvolution(
      "conv", of: input, from: 3, to: channels[0], in: &graph, using: &generator)
    for (stage, hasResidual) in hasResidual.enumerated() {
      let name = "stage\(stage + 1)"
      let count = channels[stage + 1]
      value = try addConvolution(
        "\(name)_conv", of: value, from: channels[stage], to: count, in: &graph,
        using: &generator)
      value = graph.addNode(
        "MaxPool", name: "\(name)_pool", [value],
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])],
        outputName: "\(name)_pool")
      guard hasResidual else { continue }
      var branch = value
      for index in 1...2 {
        branch = try addConvolution(
          "\(name)_residual\(index)", of: branch, from: count, to: count, in: &graph,
          using: &generator)
      }
      value = graph.addNode(
        "Add", name: "\(name)_add", [value, branch], outputName: "\(name)_add")
    }
    graph.outputs = [value]
    graph.metadata["graft.preprocessing.name"] = "unit"
    return graph
  }

  /// A 3 x 3 convolution, BatchNormalization and Relu, which gets the name.
  private static func addConvolution(
    _ name: String, of input: ValueID, from inputChannels: Int, to outputChannels: Int,
    in graph: inout Graph, using generator: inout some RandomNumberGenerator
  ) throws -> ValueID {
    let kernel = graph.addConstant(
      name: "\(name)/kernel",
      try RandomWeights.heNormal(
        [outputChannels, inputChannels, 3, 3], fanIn: 9 * inputChannels, using: &generator))
    let sum = graph.addNode(
      "Conv", name: name, [input, kernel],
      attributes: ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])],
      outputName: "\(name)/sum")
    let statistics = try [("gamma", 1), ("beta", 0), ("mean", 0), ("variance", 1)].map {
      (part, value: Float) in
      graph.addConstant(
        name: "\(name)/\(part)",
        try Tensor([Float](repeating: value, count: outputChannels), shape: [outputChannels]))
    }
    let normal = graph.addNode(
      "BatchNormalization", name: "\(name)/normalization", [sum] + statistics,
      outputName: "\(name)/normal")
    return graph.addNode("Relu", name: "\(name)/relu", [normal], outputName: "\(name)/relu")
  }
}
