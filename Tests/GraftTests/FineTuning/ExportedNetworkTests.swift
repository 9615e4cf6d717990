import Foundation
import GraftData
import GraftGraph
import GraftONNX
import GraftPasses
import GraftTensor
import GraftTraining
import Testing

/// A network as PyTorch exports it is trained as PyTorch trains it;
/// `Tests/Fixtures/exported_network.py` made the files.
@Suite struct ExportedNetworkTests {
  private let arrays: [String: Tensor]
  private let trunk: Graph

  init() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Fixtures")
    trunk = try ONNXImporter().graph(path: folder.appendingPathComponent("exported.onnx").path)
    let read = try NPZFile.read(path: folder.appendingPathComponent("exported.npz").path)
    arrays = Dictionary(uniqueKeysWithValues: read.map { ($0.name, $0.tensor) })
  }

  /// Layers that share a tensor in the file, through Identity or by its name, train one of their
  /// own.
  @Test(arguments: [false, true])
  func equalWeightsAreTrainedApart(statisticsAreShared: Bool) throws {
    var trunk = trunk
    if statisticsAreShared { trunk.readStatisticsDirectly() }
    let model = try TransferModel(
      trunk: trunk, image: .init(channels: 3, height: 8, width: 8),
      head: HeadSpecification("keep"), classNames: ["a", "b", "c"], seed: 1)
    #expect(model.weights.count == 9)
    let trainer = try Trainer(
      model.graph(training: WeightSelection("all").weights(of: model)), seed: 1,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("sgd(momentum=0.9)")))
    let (x, y) = (try #require(arrays["x"]), try #require(arrays["y"]))
    let (images, labels) = (try x.elements(as: Float.self), try y.integers().map(Int64.init))
    for (step, expected) in try #require(arrays["losses"]).elements(as: Float.self).enumerated() {
      let (first, count) = (step % 2 * 16, 3 * 8 * 8)
      let result = try trainer.step(
        inputs: [
          Tensor(Array(images[first * count..<(first + 16) * count]), shape: [16, 3, 8, 8])
        ],
        targets: Tensor(Array(labels[first..<first + 16]), shape: [16]),
        learningRate: 0.1, step: step + 1)
      #expect(abs(result.loss - expected) < 2e-6, "step \(step + 1)")
    }
    var found = 0
    var statistics: [ValueID: String] = [:]
    let normalizations = model.graph.nodes.filter { $0.operatorType == "BatchNormalization" }
    for (index, node) in normalizations.enumerated() {
      for (input, name) in zip(node.inputs[3...], ["mean", "var"]) {
        statistics[try #require(input)] = "norm\(index + 1).running_\(name)"
      }
    }
    for (id, value) in try trainer.values() {
      let name = statistics[id] ?? model.graph[id].name
      let expected = try #require(arrays["trained/\(name)"], "\(name)")
      found += 1
      // PyTorch's running variance is the unbiased one, ONNX's is that of the batch: 1/255 apart at
      // most.
      let tolerance: Float = name.hasSuffix("running_var") ? 5e-3 : 2e-5
      for (left, right) in zip(
        try value.elements(as: Float.self), try expected.elements(as: Float.self))
      {
        #expect(abs(left - right) < tolerance, "\(name)")
      }
    }
    #expect(found == 13)
  }

  /// A weight after Identity shows where the features end.
  @Test func theHeadIsFoundBehindIdentity() throws {
    var trunk = trunk
    let last = try #require(trunk.nodes.last)
    let weights = try #require(last.inputs[1])
    let copy = trunk.addNode("Identity", [weights])
    trunk.nodes.insert(trunk.nodes.removeLast(), at: 0)
    trunk.nodes[trunk.nodes.count - 1].inputs[1] = copy
    let features = try #require(trunk.cutTrunk(at: nil).outputs.first)
    #expect(features == last.inputs[0])
  }
}

extension Graph {
  /// Lets normalizations read what Identity copies their statistics of.
  fileprivate mutating func readStatisticsDirectly() {
    let producers = producers()
    for index in nodes.indices where nodes[index].operatorType == "BatchNormalization" {
      for position in 3..<5 {
        guard let producer = nodes[index].inputs[position].flatMap({ producers[$0] }) else {
          continue
        }
        nodes[index].inputs[position] = nodes[producer].inputs[0]
      }
    }
  }
}
