import Foundation
import Graft
import GraftData
import GraftONNX
import GraftRuntime
import GraftTraining
import GraftVision
import Testing

/// A network of pictures with channels last, as Keras exports it, is trained as Keras trains it;
/// `tools/python/keras_exported_network.py` made the files.
@Suite final class ChannelsLastTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures")
  private let path = fixtures.appendingPathComponent("keras_exported.onnx").path
  private let arrays: [String: Tensor]
  private let folder = NSTemporaryDirectory() + "graft-channels-last-\(UUID().uuidString)"

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let read = try NPZFile.read(
      path: ChannelsLastTests.fixtures.appendingPathComponent("keras_exported.npz").path)
    arrays = Dictionary(uniqueKeysWithValues: read.map { ($0.name, $0.tensor) })
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func model(head: String, cut: String? = nil) throws -> TransferModel {
    var recipe = Recipe()
    recipe.model = path
    recipe.head = head
    recipe.cut = cut
    recipe.preprocess = "unit"
    let (model, preprocessing) = try TransferModel.make(
      recipe, classNames: ["a", "b", "c"]
    ) { _ in }
    #expect(preprocessing.layout == .channelsFirst)
    #expect(preprocessing.fixedSize?.description == "10x12")
    return model
  }

  /// The pictures of a batch as `[N, C, H, W]`.
  private func pictures(_ batch: Int) throws -> Tensor {
    let numbers = try #require(arrays["x"]).elements(as: Float.self)
    var result: [Float] = []
    for picture in batch * 16..<batch * 16 + 16 {
      for channel in 0..<3 {
        for pixel in 0..<120 { result.append(numbers[(picture * 120 + pixel) * 3 + channel]) }
      }
    }
    return try Tensor(result, shape: [16, 3, 12, 10])
  }

  /// Scores, of which the softmax are Keras's probabilities.
  @Test func outputsAreThoseOfKeras() throws {
    let model = try model(head: "keep")
    let scores = try Session(Executable(model.graph)).run([pictures(0)])[0]
    let numbers = try scores.elements(as: Float.self)
    let expected = try #require(arrays["outputs"]).elements(as: Float.self)
    #expect(numbers.count == 48 && expected.count == 48)
    for row in 0..<16 {
      let powers = numbers[row * 3..<row * 3 + 3].map { exp(Double($0)) }
      for (power, expected) in zip(powers, expected[row * 3..<row * 3 + 3]) {
        #expect(abs(power / powers.reduce(0, +) - Double(expected)) < 1e-6)
      }
    }
  }

  @Test func trainsAsKerasDoes() throws {
    let model = try model(head: "keep")
    let trainer = try Trainer(
      model.graph(training: WeightSelection("all").weights(of: model)), seed: 1,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: StochasticGradientDescent(momentum: 0.9)))
    let labels = try #require(arrays["y"]).integers().map(Int64.init)
    let losses = try #require(arrays["losses"]).elements(as: Float.self)
    #expect(losses.count == 6)
    for (step, expected) in losses.enumerated() {
      let first = step % 2 * 16
      let result = try trainer.step(
        inputs: [pictures(step % 2)],
        targets: Tensor(Array(labels[first..<first + 16]), shape: [16]),
        learningRate: 0.05, step: step + 1)
      #expect(abs(result.loss - expected) < 1e-5 * expected, "step \(step + 1)")
    }
  }

  /// No Transpose is left between picture and features.
  @Test func transposesVanish() throws {
    let model = try model(head: "gmp,dense(classes)", cut: "functional_1/pool_1/MaxPool2d")
    let types = model.graph.nodes.map(\.operatorType)
    #expect(types.contains("Conv") && types.contains("GlobalMaxPool"))
    #expect(!types.contains("Transpose"), "\(types)")
  }
}
