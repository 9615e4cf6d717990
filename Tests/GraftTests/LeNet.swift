import GraftFiles
import GraftGraph
import GraftModels
import GraftTensor

/// LeNet-5 in its modern form: two convolutions with ReLU and max pooling, three dense layers.
///
/// Input `[N, 1, 28, 28]`, 0 to 1; output `[N, 10]`, logits. Its weights are He-normal parameters.
///
/// Source: LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998)
enum LeNet {
  static func graph(
    classCount: Int = 10, using generator: inout some RandomNumberGenerator
  ) throws -> Graph {
    var graph = Graph(name: "lenet")
    var value = graph.addInput(
      name: "image", type: TensorType(.float, [.symbol("N"), 1, 28, 28]))
    let convolutions = [
      (name: "conv1", input: 1, output: 8), (name: "conv2", input: 8, output: 16),
    ]
    for layer in convolutions {
      let weights = try RandomWeights.heNormal(
        [layer.output, layer.input, 5, 5], fanIn: layer.input * 25, using: &generator)
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
      let weights = try RandomWeights.heNormal(
        [layer.output, layer.input], fanIn: layer.input, using: &generator)
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
}
