import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import GraftTraining
import Testing

@Suite struct WeightSelectionTests {
  /// Three convolutions of one channel, with a head.
  private func model() throws -> TransferModel {
    var graph = Graph(name: "trunk")
    var value = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 1, 4, 4]))
    for name in ["block1_conv1", "block1_conv2", "block2_conv1"] {
      let kernel = graph.addConstant(
        name: "\(name)/kernel", try Tensor([Float(1)], shape: [1, 1, 1, 1]))
      value = graph.addNode("Conv", name: name, [value, kernel])
    }
    graph.outputs = [value]
    return try TransferModel(
      trunk: graph,
      image: TransferModel.ImageExtents(channels: 1, height: 4, width: 4),
      head: HeadSpecification("gap,dense(classes)"), classNames: ["a", "b", "c"], seed: 1)
  }

  @Test(
    arguments: [
      ("none", nil, []), ("all", nil, ["block1_conv1", "block1_conv2", "block2_conv1"]),
      ("block2", nil, ["block2_conv1"]), ("all", "block1", ["block2_conv1"]),
      ("all", "block1_conv1, block2", ["block1_conv2"]), ("all", "all", []),
      ("all", "none", ["block1_conv1", "block1_conv2", "block2_conv1"]),
      ("block1", "*conv2*", ["block1_conv1"]),
      ("all", "head", ["block1_conv1", "block1_conv2", "block2_conv1"]),
    ] as [(String, String?, [String])])
  func namesSelectLayers(_ text: String, _ exceptions: String?, _ expected: [String]) throws {
    let model = try model()
    let selected = try WeightSelection(text, except: exceptions).weights(of: model)
    let names = selected.map { model.graph[$0].name }.filter { !$0.hasPrefix("head/") }.sorted()
    #expect(names == expected.map { "\($0)/kernel" })
    #expect(selected.isSuperset(of: model.headWeights))
  }

  /// A trunk of one channel, and the names of its weights without the head's.
  private func weightNames(
    _ build: (inout Graph, ValueID, _ constant: (inout Graph, String, [Int]) throws -> ValueID)
      throws -> ValueID
  ) throws -> Set<String> {
    var graph = Graph(name: "trunk")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 1, 4, 4]))
    graph.outputs = [
      try build(&graph, x) { graph, name, shape in
        let numbers = [Float](repeating: 0.5, count: shape.reduce(1, *))
        return graph.addConstant(name: name, try Tensor(numbers, shape: shape))
      }
    ]
    let model = try TransferModel(
      trunk: graph, image: .init(channels: 1, height: 4, width: 4),
      head: HeadSpecification("gap,dense(classes)"), classNames: ["a", "b", "c"], seed: 1)
    return Set(model.weights.map { model.graph[$0].name }.filter { !$0.hasPrefix("head/") })
  }

  /// What is added to a product is a weight where it is a bias: not a mask, and not a single
  /// number.
  @Test func biasesOfTheirOwnAreWeights() throws {
    let names = try weightNames { graph, x, constant in
      var value = graph.addNode("Conv", [x, try constant(&graph, "kernel", [2, 1, 1, 1])])
      for (name, shape) in [("mask", [4, 4]), ("row", [4]), ("number", [1]), ("bias", [2, 1, 1])] {
        value = graph.addNode("Add", [value, try constant(&graph, name, shape)])
        value = graph.addNode("Conv", [value, try constant(&graph, "k_\(name)", [2, 2, 1, 1])])
      }
      return value
    }
    #expect(names == ["kernel", "k_mask", "k_row", "k_number", "k_bias", "bias"])
  }

  /// Scale and bias after (x - mean) / √(variance + ε), as PyTorch wrote layer normalization
  /// before opset 17; what prepares images is left alone.
  @Test func normalizationsOfSeveralNodesHaveWeights() throws {
    let names = try weightNames { graph, x, constant in
      let scaled = graph.addNode("Mul", [x, try constant(&graph, "prepares", [1, 1, 1])])
      var value = graph.addNode("Conv", [scaled, try constant(&graph, "kernel", [2, 1, 1, 1])])
      value = graph.addNode("Transpose", [value], attributes: ["perm": .ints([0, 2, 3, 1])])
      let last: [ByteString: Attribute] = ["axes": .ints([-1])]
      let mean = graph.addNode("ReduceMean", [value], attributes: last)
      let centered = graph.addNode("Sub", [value, mean])
      let squares = graph.addNode("Pow", [centered, try constant(&graph, "two", [])])
      let variance = graph.addNode("ReduceMean", [squares], attributes: last)
      let sum = graph.addNode("Add", [variance, try constant(&graph, "epsilon", [])])
      let normalized = graph.addNode("Div", [centered, graph.addNode("Sqrt", [sum])])
      let gained = graph.addNode("Mul", [normalized, try constant(&graph, "scale", [2])])
      let shifted = graph.addNode("Add", [gained, try constant(&graph, "bias", [2])])
      let halved = graph.addNode("Mul", [shifted, try constant(&graph, "half", [])])
      return graph.addNode("Transpose", [halved], attributes: ["perm": .ints([0, 3, 1, 2])])
    }
    #expect(names == ["kernel", "scale", "bias"])
  }

  @Test func unknownNamesNameTheNearest() throws {
    let model = try model()
    for selection in [WeightSelection("blok2"), WeightSelection("all", except: "blok2")] {
      let error = #expect(throws: GraftError.self) { try selection.weights(of: model) }
      #expect(error?.hint?.contains("block2") == true)
    }
  }

  /// Layers that hold weights, with the shapes of their inputs behind an image [N, 4, 5, 5].
  private static let layers:
    [(type: String, attributes: [ByteString: Attribute], inputs: [Shape])] = [
      ("Conv", [:], [[4, 4, 1, 1], [4]]),
      ("ConvTranspose", [:], [[4, 4, 1, 1], [4]]),
      // Its second input has offsets, which another layer computes.
      ("DeformConv", [:], [[4, 4, 1, 1], [1, 2, 5, 5], [4]]),
      ("Gemm", [:], [[100, 4], [4]]),
      ("MatMul", [:], [[5, 5]]),
      ("BatchNormalization", [:], [[4], [4], [4], [4]]),
      ("InstanceNormalization", [:], [[4], [4]]),
      ("GroupNormalization", ["num_groups": .int(2)], [[4], [4]]),
      ("LayerNormalization", [:], [[5], [5]]),
      ("RMSNormalization", [:], [[5]]),
      ("PRelu", [:], [[4, 1, 1]]),
      ("LSTM", ["layout": .int(1)], [[1, 16, 100], [1, 16, 4]]),
      ("GRU", ["layout": .int(1)], [[1, 12, 100], [1, 12, 4]]),
      ("RNN", ["layout": .int(1)], [[1, 4, 100], [1, 4, 4]]),
      ("CausalConvWithState", [:], [[4, 1, 3], [4]]),
    ]

  /// A weight that is not listed is never trained.
  @Test func weightsOfAllOperatorsAreListed() throws {
    let names = OperatorCatalog.operators.filter { !$0.weightInputs.isEmpty }.map { $0.schema.name }
    #expect(Set(names) == Set(Self.layers.map(\.type)))
    for layer in Self.layers {
      var graph = Graph(name: "trunk")
      var value = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 4, 5, 5]))
      if layer.inputs[0].contains(100) { value = graph.addNode("Flatten", [value]) }
      if layer.type == "CausalConvWithState" {
        let shape = graph.addConstant(name: "shape", try Tensor([Int64(0), 4, 25], shape: [3]))
        value = graph.addNode("Reshape", [value, shape])
      }
      if layer.inputs[0].count == 3 && layer.inputs[0].contains(100) {
        let axis = graph.addConstant(name: "axis", try Tensor([Int64(1)], shape: [1]))
        value = graph.addNode("Unsqueeze", [value, axis])
      }
      let inputs = try layer.inputs.enumerated().map { index, shape in
        let ones = [Float](repeating: 1, count: shape.elementCount)
        return graph.addConstant(name: "weight_\(index + 1)", try Tensor(ones, shape: shape))
      }
      graph.outputs = [graph.addNode(layer.type, [value] + inputs, attributes: layer.attributes)]
      let model = try TransferModel(
        trunk: graph, image: .init(channels: 4, height: 5, width: 5),
        head: HeadSpecification("gap,dense(classes)"), classNames: ["a", "b", "c"], seed: 1)
      let weights = model.weights.map { model.graph[$0].name }.filter { !$0.hasPrefix("head/") }
      // Running statistics follow the batches; they are no weights.
      let expected =
        layer.type == "DeformConv"
        ? ["weight_1", "weight_3"] : layer.inputs.indices.prefix(2).map { "weight_\($0 + 1)" }
      #expect(weights == expected, "\(layer.type)")
    }
  }
}
