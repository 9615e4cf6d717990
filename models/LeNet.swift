import GraftGraph

/// LeNet-5 as it is trained today: two convolutions with ReLU and max pooling, three dense layers.
///
/// Input `[N, 1, 28, 28]`, 0 to 1; output `[N, 10]`, logits. Its weights are parameters, drawn from a He-normal
/// distribution of the given generator.
///
/// Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998)
package enum LeNet {
  package static func graph(
    classCount: Int = 10, using generator: inout some RandomNumberGenerator
  ) throws -> Graph {
    var graph = Graph(name: "lenet")
    var value = graph.addInput(
      name: "image", type: TensorType(.float, [.symbol("N"), 1, 28, 28]))
    let convolutions = [
      (name: "conv1", input: 1, output: 8), (name: "conv2", input: 8, output: 16),
    ]
    for layer in convolutions {
      let weights = try normal([layer.output, layer.input, 5, 5], using: &generator)
      value = graph.addNode(
        "Conv", name: layer.name,
        [
          value, graph.addParameter(name: "\(layer.name)/weight", weights),
          graph.addParameter(
            name: "\(layer.name)/bias", try Tensor(zeros: .float, shape: [layer.output])),
        ],
        attributes: ["kernel_shape": .ints([5, 5]), "pads": .ints([2, 2, 2, 2])])
      value = graph.addNode("Relu", [value])
      value = graph.addNode(
        "MaxPool", [value],
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    }
    value = graph.addNode("Flatten", [value], attributes: ["axis": .int(1)])
    let dense = [
      (name: "fc1", input: 16 * 7 * 7, output: 120), (name: "fc2", input: 120, output: 84),
      (name: "fc3", input: 84, output: classCount),
    ]
    for (index, layer) in dense.enumerated() {
      let weights = try normal([layer.output, layer.input], using: &generator)
      value = graph.addNode(
        "Gemm", name: layer.name,
        [
          value, graph.addParameter(name: "\(layer.name)/weight", weights),
          graph.addParameter(
            name: "\(layer.name)/bias", try Tensor(zeros: .float, shape: [layer.output])),
        ],
        attributes: ["transB": .int(1)],
        outputName: index == dense.count - 1 ? "logits" : "")
      if index < dense.count - 1 { value = graph.addNode("Relu", [value]) }
    }
    graph.outputs = [value]
    return graph
  }

  /// He-normal weights: deviation √(2 / inputs of one output).
  private static func normal(
    _ shape: Shape, using generator: inout some RandomNumberGenerator
  ) throws -> Tensor {
    let fanIn = shape.dropFirst().reduce(1, *)
    let deviation = (2 / Double(fanIn)).squareRoot()
    let values = (0..<shape.elementCount).map { _ in
      // Irwin and Hall: the sum of twelve uniform numbers is nearly normal and needs no logarithm.
      let sum = (0..<12).reduce(0.0) { sum, _ in sum + Double(generator.next() >> 11) * 0x1p-53 }
      return Float((sum - 6) * deviation)
    }
    return try Tensor(values, shape: shape)
  }
}
