import GraftData
import GraftRuntime
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
      picture: TransferModel.PictureExtents(channels: 1, height: 4, width: 4),
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

  /// What is added to a product is a weight where it is a bias: not a mask, and not a single number.
  @Test func biasesOfTheirOwnAreWeights() throws {
    var graph = Graph(name: "trunk")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 1, 4, 4]))
    var value = graph.addNode(
      "Conv",
      [
        x,
        graph.addConstant(
          name: "kernel", try Tensor([Float](repeating: 1, count: 2), shape: [2, 1, 1, 1])),
      ])
    for (name, shape) in [("mask", [4, 4]), ("row", [4]), ("number", [1]), ("bias", [2, 1, 1])] {
      let numbers = [Float](repeating: 0.5, count: shape.reduce(1, *))
      let sum = graph.addNode(
        "Add", [value, graph.addConstant(name: name, try Tensor(numbers, shape: shape))])
      value = graph.addNode(
        "Conv",
        [
          sum,
          graph.addConstant(
            name: "after_\(name)", try Tensor([Float](repeating: 1, count: 4), shape: [2, 2, 1, 1])),
        ])
    }
    graph.outputs = [value]
    let model = try TransferModel(
      trunk: graph, picture: .init(channels: 1, height: 4, width: 4),
      head: HeadSpecification("gap,dense(classes)"), classNames: ["a", "b", "c"], seed: 1)
    let names = Set(model.weights.map { model.graph[$0].name })
    #expect(
      names.contains("bias") && names.isDisjoint(with: ["mask", "row", "number"]), "\(names)")
  }

  @Test func unknownNamesNameTheNearest() throws {
    let model = try model()
    for selection in [WeightSelection("blok2"), WeightSelection("all", except: "blok2")] {
      let error = #expect(throws: GraftError.self) { try selection.weights(of: model) }
      #expect(error?.hint?.contains("block2") == true)
    }
  }
}
