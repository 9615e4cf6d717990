import GraftFiles
import GraftGraph
import GraftModels
import GraftTensor
import TestSupport
import Testing

@Suite struct VGGTests {
  /// Weights as Keras has them. Zeros, which take no memory until they are touched, but for one
  /// kernel.
  static func weights(
    convolutionsPerBlock: [Int], includeTop: Bool,
    names: (String, Int) -> String = { name, _ in name }
  ) throws -> [String: [Tensor]] {
    var weights: [String: [Tensor]] = [:]
    var inputs = 3
    var index = 0
    for (block, count) in convolutionsPerBlock.enumerated() {
      let outputs = [64, 128, 256, 512, 512][block]
      for convolution in 1...count {
        let name = names("block\(block + 1)_conv\(convolution)", index)
        weights[name] = [
          try Tensor(zeros: .float, shape: [3, 3, inputs, outputs]),
          try Tensor(zeros: .float, shape: [outputs]),
        ]
        inputs = outputs
        index += 1
      }
    }
    guard includeTop else { return weights }
    for (index, (name, shape)) in [
      ("fc1", [25088, 4096]), ("fc2", [4096, 4096]), ("predictions", [4096, 1000]),
    ].enumerated() {
      weights[names(name, index)] = [
        try Tensor(zeros: .float, shape: shape), try Tensor(zeros: .float, shape: [shape[1]]),
      ]
    }
    return weights
  }

  @Test func vgg16HasTheLayersOfKeras() throws {
    let labels = (0..<1000).map { "class \($0)" }
    var weights = try Self.weights(convolutionsPerBlock: [2, 2, 3, 3, 3], includeTop: true)
    weights["block1_conv1"]?[0] = try Tensor(
      (0..<3 * 3 * 3 * 64).map { Float($0) }, shape: [3, 3, 3, 64])
    let graph = try VGG16.graph(weights: weights, labels: labels)
    #expect(graph.nodes.filter { $0.operatorType == "Conv" }.count == 13)
    #expect(graph.nodes.filter { $0.operatorType == "Gemm" }.count == 3)
    #expect(graph.nodes.map(\.name).filter { $0.hasSuffix("pool") }.count == 5)
    #expect(graph.outputs.map { graph[$0].name } == ["predictions"])
    #expect(
      graph[graph.inputs[0]].type?.tensor == TensorType(.float, [.symbol("N"), 3, 224, 224]))
    #expect(graph.metadata["graft.preprocessing.name"] == "keras-caffe")
    #expect(graph.metadata["graft.labels"] == labels.joined(separator: "\n"))
    #expect(Set(graph.values.map(\.name)).count == graph.values.count)

    let kernel = try #require(graph.constants.first { graph[$0.key].name == "block1_conv1/kernel" })
    #expect(kernel.value.shape == [64, 3, 3, 3])
    let elements = try kernel.value.elements(as: Float.self)
    // [output 5, input 2, row 1, column 0] is [1, 0, 2, 5] in Keras.
    #expect(elements[((5 * 3 + 2) * 3 + 1) * 3 + 0] == Float(((1 * 3 + 0) * 3 + 2) * 64 + 5))
    // The dense kernels are the file's own.
    let dense = try #require(graph.constants.first { graph[$0.key].name == "fc1/kernel" })
    #expect(dense.value.storage === weights["fc1"]?[0].storage)
  }

  @Test func vgg19WithoutTopEndsAtTheLastPooling() throws {
    let weights = try Self.weights(convolutionsPerBlock: [2, 2, 4, 4, 4], includeTop: false)
    let graph = try VGG19.graph(weights: weights, includeTop: false)
    #expect(graph.nodes.filter { $0.operatorType == "Conv" }.count == 16)
    #expect(graph.outputs.map { graph[$0].name } == ["block5_pool"])
    #expect(
      graph[graph.inputs[0]].type?.tensor
        == TensorType(.float, [.symbol("N"), 3, .symbol("H"), .symbol("W")]))
  }

  @Test func namesAllWrongAndMissingLayers() throws {
    var weights = try Self.weights(convolutionsPerBlock: [2, 2, 3, 3, 3], includeTop: false)
    weights["block2_conv1"] = [try Tensor(zeros: .float, shape: [3, 3, 64, 100])]
    weights["block3_conv2"] = nil
    let error = #expect(throws: GraftError.self) { try VGG16.graph(weights: weights) }
    let text = try #require(error).description
    for part in [
      "'block2_conv1' has [3, 3, 64, 100], expected [3, 3, 64, 128] and [128]",
      "'block3_conv2' is missing, expected [3, 3, 256, 256] and [256]",
      "'fc1' is missing, expected [25088, 4096] and [4096]", "'fc2' is missing",
      "'predictions' is missing",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(!text.contains("'block1_conv1' is"))
  }

  @Test func takesTheNamesThatKerasMakesOfClasses() throws {
    let weights = try Self.weights(convolutionsPerBlock: [2, 2, 3, 3, 3], includeTop: true) {
      let prefix = $0.hasPrefix("block") ? "conv2d" : "dense"
      return $1 == 0 ? prefix : "\(prefix)_\($1)"
    }
    #expect(try VGG16.graph(weights: weights).outputs.count == 1)
  }

  @Test func convertsOtherElementTypes() throws {
    var weights = try Self.weights(convolutionsPerBlock: [2, 2, 3, 3, 3], includeTop: false)
    weights["block1_conv1"]?[1] = try Tensor((0..<64).map { Float16($0) }, shape: [64])
    weights["block1_conv2"]?[1] = try Tensor((0..<64).map { Double($0) }, shape: [64])
    let graph = try VGG16.graph(weights: weights, includeTop: false)
    for name in ["block1_conv1/bias", "block1_conv2/bias"] {
      let bias = try #require(graph.constants.first { graph[$0.key].name == name })
      #expect(try bias.value.elements(as: Float.self) == (0..<64).map { Float($0) })
    }
  }

  @Test func refusesLabelsOfAnotherNumber() throws {
    let weights = try Self.weights(convolutionsPerBlock: [2, 2, 3, 3, 3], includeTop: true)
    expectError(.badData, "1 label", "1000 classes") {
      try VGG16.graph(weights: weights, labels: ["one"])
    }
  }
}
