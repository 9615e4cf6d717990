import Foundation
import GraftData
import GraftGraph
import GraftONNX
import GraftPasses
import GraftTensor
import GraftTraining
import Testing

/// Networks of sequences, as PyTorch's exporters write them, are trained as PyTorch trains them;
/// `Tests/Fixtures/sequence_training.py` made the files.
@Suite struct SequenceTrainingTests {
  private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures")
  private let arrays: [String: Tensor]

  init() throws {
    let read = try NPZFile.read(path: folder.appendingPathComponent("sequences.npz").path)
    arrays = Dictionary(uniqueKeysWithValues: read.map { ($0.name, $0.tensor) })
  }

  static let networks = ["lstm", "gru", "transformer"].flatMap { network in
    ["\(network).torchscript", "\(network).dynamo"]
  }

  @Test(arguments: networks) func lossesArePyTorchs(name: String) throws {
    let network = try #require(name.split(separator: ".").first)
    let path = folder.appendingPathComponent("\(name).onnx").path
    var graph = try ONNXImporter().graph(path: path).withSeparateWeights()
    // Besides weights, networks have scalars only.
    for id in Set(graph.nodes.flatMap(\.reads)) {
      guard let tensor = graph.constants[id], tensor.elementType == .float, tensor.elementCount > 1
      else { continue }
      graph.parameters[id] = graph.constants.removeValue(forKey: id)
    }
    let count = graph.parameters.values.reduce(0) { $0 + $1.elementCount }
    #expect(count == (try #require(arrays["\(network)/count"]).integers().first))
    let trainer = try Trainer(
      graph,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("sgd(momentum=0.9)")))
    let x = try #require(arrays["\(network)/x"])
    let y = try #require(arrays["\(network)/y"])
    let losses = try #require(arrays["\(network)/losses"]).elements(as: Double.self)
    #expect(losses.count == 20)
    for (index, expected) in losses.enumerated() {
      let result = try trainer.step(
        inputs: [x.batch(index)], targets: y.batch(index), learningRate: 0.1, step: index + 1)
      #expect(
        abs(Double(result.loss) - expected) < 1e-4 * expected,
        "step \(index + 1): \(result.loss), not \(expected)")
    }
  }
}

extension Tensor {
  /// An element of the first axis, as a tensor.
  fileprivate func batch(_ index: Int) throws -> Tensor {
    let shape = Array(shape.dropFirst())
    let count = shape.reduce(1, *)
    let range = index * count..<(index + 1) * count
    guard elementType == .float else {
      return try Tensor(integers()[range].map { Int64($0) }, shape: shape)
    }
    return try Tensor(Array(elements(as: Float.self)[range]), shape: shape)
  }
}
