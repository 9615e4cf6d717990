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

  @Test func unknownNamesNameTheNearest() throws {
    let model = try model()
    for selection in [WeightSelection("blok2"), WeightSelection("all", except: "blok2")] {
      let error = #expect(throws: GraftError.self) { try selection.weights(of: model) }
      #expect(error?.hint?.contains("block2") == true)
    }
  }
}
