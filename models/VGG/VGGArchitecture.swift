import GraftFiles
import GraftGraph
import GraftTensor

/// The common structure of VGG16 and VGG19: blocks of 3×3 convolutions, each with a pooling at its
/// end, and three dense layers.
struct VGGArchitecture {
  let name: String
  let convolutionsPerBlock: [Int]

  static let channelsPerBlock = [64, 128, 256, 512, 512]
  static let imageExtent = 224
  static let denseUnits = [("fc1", 4096), ("fc2", 4096), ("predictions", 1000)]

  /// A layer with weights, and their shapes in Keras.
  struct Layer {
    enum Kind: String {
      case convolution = "conv2d"
      case dense
    }

    var name: String
    var kind: Kind
    /// Convolutions: height, width, input channels, output channels. Dense: inputs, outputs.
    var kernelShape: Shape
    var biasShape: Shape { [kernelShape[kernelShape.count - 1]] }
  }

  func convolutions(block: Int) -> [Layer] {
    let outputChannels = Self.channelsPerBlock[block]
    return (0..<convolutionsPerBlock[block]).map { index in
      let inputChannels =
        index > 0 ? outputChannels : block > 0 ? Self.channelsPerBlock[block - 1] : 3
      return Layer(
        name: "block\(block + 1)_conv\(index + 1)", kind: .convolution,
        kernelShape: [3, 3, inputChannels, outputChannels])
    }
  }

  /// The dense layers; the first reads the last pooling's output, row by row.
  var denseLayers: [Layer] {
    let extent = Self.imageExtent >> convolutionsPerBlock.count
    var inputCount = extent * extent * (Self.channelsPerBlock.last ?? 0)
    return Self.denseUnits.map { name, unitCount in
      defer { inputCount = unitCount }
      return Layer(name: name, kind: .dense, kernelShape: [inputCount, unitCount])
    }
  }

  func layers(includeTop: Bool) -> [Layer] {
    convolutionsPerBlock.indices.flatMap(convolutions) + (includeTop ? denseLayers : [])
  }

  func graph(weights: [String: [Tensor]], includeTop: Bool, labels: [String]?) throws -> Graph {
    let weights = try LayerWeights(weights, for: layers(includeTop: includeTop), of: name)
    let extents: [Dimension] =
      includeTop
      ? [.known(Self.imageExtent), .known(Self.imageExtent)] : [.symbol("H"), .symbol("W")]
    var graph = Graph(name: name)
    var value = graph.addInput(
      name: "input_1", type: TensorType(.float, [.symbol("N"), 3] + extents))
    for block in convolutionsPerBlock.indices {
      for layer in convolutions(block: block) {
        value = try addConvolution(layer, of: value, weights, to: &graph)
      }
      let pool = "block\(block + 1)_pool"
      value = graph.addNode(
        "MaxPool", name: pool, [value],
        attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])], outputName: pool)
    }
    if includeTop { value = try addTop(on: value, weights, labels: labels, to: &graph) }
    graph.outputs = [value]
    graph.metadata["graft.preprocessing.name"] = "keras-caffe"
    return graph
  }

  /// The convolutions with initial weights: He-normal kernels, no biases. `[N, 3, H, W]` to `[N,
  /// 512, H/32, W/32]`.
  func randomGraph(using generator: inout some RandomNumberGenerator) throws -> Graph {
    var weights: [String: [Tensor]] = [:]
    for layer in layers(includeTop: false) {
      weights[layer.name] = [
        try RandomWeights.heNormal(
          layer.kernelShape, fanIn: layer.kernelShape.dropLast().reduce(1, *), using: &generator),
        try Tensor(zeros: .float, shape: layer.biasShape),
      ]
    }
    return try graph(weights: weights, includeTop: false, labels: nil)
  }

  private func addConvolution(
    _ layer: Layer, of input: ValueID, _ weights: LayerWeights, to graph: inout Graph
  ) throws -> ValueID {
    let kernelOfFile = try weights.kernel(layer)
    let kernel = graph.addConstant(
      name: "\(layer.name)/kernel", try convolutionKernel(fromKeras: kernelOfFile))
    kernelOfFile.releasePages()
    let bias = graph.addConstant(name: "\(layer.name)/bias", try weights.bias(layer))
    let sum = graph.addNode(
      "Conv", name: layer.name, [input, kernel, bias],
      attributes: ["kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1])],
      outputName: "\(layer.name)/sum")
    return graph.addNode("Relu", name: "\(layer.name)/relu", [sum], outputName: layer.name)
  }

  private func addTop(
    on features: ValueID, _ weights: LayerWeights, labels: [String]?, to graph: inout Graph
  ) throws -> ValueID {
    // Keras flattens channels last. Moving the few activations leaves the many weights as they are,
    // so that `fc1` stays in the mapped file.
    let channelsLast = graph.addNode(
      "Transpose", name: "channels_last", [features], attributes: ["perm": .ints([0, 2, 3, 1])],
      outputName: "channels_last")
    var value = graph.addNode("Flatten", name: "flatten", [channelsLast], outputName: "flatten")
    let layers = denseLayers
    for (index, layer) in layers.enumerated() {
      let kernel = graph.addConstant(name: "\(layer.name)/kernel", try weights.kernel(layer))
      let bias = graph.addConstant(name: "\(layer.name)/bias", try weights.bias(layer))
      let sum = graph.addNode(
        "Gemm", name: layer.name, [value, kernel, bias], outputName: "\(layer.name)/sum")
      let isLast = index == layers.count - 1
      value = graph.addNode(
        isLast ? "Softmax" : "Relu", name: "\(layer.name)/\(isLast ? "softmax" : "relu")", [sum],
        outputName: layer.name)
    }
    if let labels {
      let classCount = layers.last?.biasShape[0] ?? 0
      guard labels.count == classCount else {
        throw GraftError.badData(
          "\(labels.count) labels do not fit the \(classCount) classes of \(name)")
      }
      graph.metadata["graft.labels"] = labels.joined(separator: "\n")
    }
    return value
  }
}
