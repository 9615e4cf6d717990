import Foundation
import GraftData
import GraftGraph
import GraftModels
import GraftTensor
import GraftTraining
import Testing

/// Training that computes activations again ends with the same bits, and takes less memory.
@Suite struct RecomputationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    /// Height and width of images.
    let extent: Int
    /// Bytes of an arena with recomputation, as a part of those without.
    let atMost: Double
    var testDescription: String { name }
  }

  /// Residual blocks with BatchNormalization; a chain of convolutions; dropout in the head of both.
  @Test(arguments: [
    Case(name: "resnet9", extent: 32, atMost: 0.7), Case(name: "vgg16", extent: 64, atMost: 0.75),
  ])
  func trainingIsTheSameInLessMemory(_ network: Case) throws {
    var generator = SeededGenerator(seed: 5)
    let trunk =
      try network.name == "vgg16"
      ? VGG16.randomGraph(using: &generator) : ResNet9.randomGraph(using: &generator)
    let model = try TransferModel(
      trunk: trunk, image: .init(channels: 3, height: network.extent, width: network.extent),
      head: HeadSpecification("gmp,dropout(0.3),dense(16,relu,l2=1e-5),dense(classes)"),
      classNames: ["a", "b", "c"], seed: 1)
    let kept = try train(model, recomputes: false)
    let recomputed = try train(model, recomputes: true)
    #expect(recomputed.losses == kept.losses)
    #expect(Set(kept.losses).count == kept.losses.count)
    #expect(recomputed.values.keys == kept.values.keys)
    for (id, value) in kept.values {
      let other = try #require(recomputed.values[id])
      #expect(try value.bitPatterns == other.bitPatterns, "\(model.graph[id].name)")
    }
    let share = Double(recomputed.byteCount) / Double(kept.byteCount)
    #expect(share < network.atMost, "\(network.name): \(recomputed.byteCount) of \(kept.byteCount)")
  }

  private struct Trained {
    var losses: [Float] = []
    var values: [ValueID: Tensor] = [:]
    var byteCount = 0
  }

  /// Two steps of 32 images each.
  private func train(_ model: TransferModel, recomputes: Bool) throws -> Trained {
    var settings = Trainer.Settings(
      loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("sgd(momentum=0.9)"))
    settings.penalties = model.penalties
    settings.recomputes = recomputes
    let trainer = try Trainer(
      model.graph(training: WeightSelection("all").weights(of: model)), seed: 3, settings: settings)
    var generator = SeededGenerator(seed: 11)
    var trained = Trained()
    for step in 1...2 {
      let shape = [32, model.image.channels, model.image.height, model.image.width]
      let pixels = (0..<shape.elementCount).map { _ in Float(generator.nextUnit()) }
      let labels = (0..<32).map { _ in Int64(generator.next() % 3) }
      trained.losses.append(
        try trainer.step(
          inputs: [Tensor(pixels, shape: shape)], targets: Tensor(labels, shape: [32]),
          learningRate: 0.01, step: step
        ).loss)
    }
    trained.values = try trainer.values()
    trained.byteCount = trainer.arenaByteCount
    return trained
  }
}

extension Tensor {
  fileprivate var bitPatterns: [UInt32] {
    get throws { try elements(as: Float.self).map(\.bitPattern) }
  }
}
