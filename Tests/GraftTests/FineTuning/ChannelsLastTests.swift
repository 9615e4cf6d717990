import Foundation
import Graft
import GraftData
import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining
import GraftVision
import Testing

/// Networks of images with channels last, as Keras exports them, are trained as Keras trains them;
/// `Tests/Fixtures/keras_exported_network.py` made the files.
@Suite final class ChannelsLastTests {
  private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures")
  private static let names = ["keras_exported", "keras_normalized"]

  private func arrays(_ name: String) throws -> [String: Tensor] {
    let read = try NPZFile.read(
      path: ChannelsLastTests.fixtures.appendingPathComponent("\(name).npz").path)
    return Dictionary(uniqueKeysWithValues: read.map { ($0.name, $0.tensor) })
  }

  private func model(_ name: String, head: String, cut: String? = nil) throws -> TransferModel {
    var recipe = Recipe()
    recipe.model = ChannelsLastTests.fixtures.appendingPathComponent("\(name).onnx").path
    recipe.head = head
    recipe.cut = cut
    recipe.preprocess = "unit"
    let (model, preprocessing, _) = try TransferModel.make(
      recipe, classNames: ["a", "b", "c"]
    ) { _ in }
    #expect(preprocessing.layout == .channelsFirst)
    #expect(preprocessing.fixedSize?.description == "10x12")
    return model
  }

  /// The images of a batch as `[N, C, H, W]`.
  private func images(_ batch: Int, of arrays: [String: Tensor]) throws -> Tensor {
    let numbers = try #require(arrays["x"]).elements(as: Float.self)
    var result: [Float] = []
    for image in batch * 16..<batch * 16 + 16 {
      for channel in 0..<3 {
        for pixel in 0..<120 { result.append(numbers[(image * 120 + pixel) * 3 + channel]) }
      }
    }
    return try Tensor(result, shape: [16, 3, 12, 10])
  }

  /// Scores, of which the softmax are Keras's probabilities.
  @Test(arguments: ChannelsLastTests.names)
  func outputsAreThoseOfKeras(_ name: String) throws {
    let model = try model(name, head: "keep")
    let arrays = try arrays(name)
    let scores = try Session(Executable(model.graph)).run([images(0, of: arrays)])[0]
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

  @Test(arguments: ChannelsLastTests.names)
  func trainsAsKerasDoes(_ name: String) throws {
    let model = try model(name, head: "keep")
    let arrays = try arrays(name)
    let trainer = try Trainer(
      model.graph(training: WeightSelection("all").weights(of: model)), seed: 1,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("sgd(momentum=0.9)")))
    let labels = try #require(arrays["y"]).integers().map(Int64.init)
    let losses = try #require(arrays["losses"]).elements(as: Float.self)
    #expect(losses.count == 6)
    for (step, expected) in losses.enumerated() {
      let first = step % 2 * 16
      let result = try trainer.step(
        inputs: [images(step % 2, of: arrays)],
        targets: Tensor(Array(labels[first..<first + 16]), shape: [16]),
        learningRate: 0.05, step: step + 1)
      #expect(abs(result.loss - expected) < 1e-5 * expected, "step \(step + 1)")
    }
  }

  /// Weights of layers that are several nodes are found, and nothing else is.
  @Test func weightsAreThoseOfKeras() throws {
    let model = try model("keras_normalized", head: "keep")
    // Kernels and biases of 5 layers, scales and biases of 3 normalizations, the layer's scale.
    let counts = [96 + 8, 72 + 8, 128 + 16, 128 + 8, 24 + 3, 3 * 16, 8]
    let found = model.weights.map { model.graph.constants[$0]?.elementCount ?? 0 }
    #expect(found.count == 17)
    #expect(found.reduce(0, +) == counts.reduce(0, +))
  }

  /// No Transpose is left between image and features.
  @Test func transposesVanish() throws {
    let model = try model(
      "keras_exported", head: "gmp,dense(classes)", cut: "functional_1/pool_1/MaxPool2d")
    let types = model.graph.nodes.map(\.operatorType)
    #expect(types.contains("Conv") && types.contains("GlobalMaxPool"))
    #expect(!types.contains("Transpose"), "\(types)")
  }
}
