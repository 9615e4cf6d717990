import Foundation
import Graft
import GraftData
import GraftFiles
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTensor
import GraftTraining
import GraftVision
import TestSupport
import Testing

/// A head that normalizes features by the statistics of the training images.
@Suite final class FeatureNormalizationTests {
  private let temporaryFolder: TemporaryFolder
  let folder: String
  let dataset: ImageDataset
  let recipe: Recipe

  init() throws {
    temporaryFolder = try TemporaryFolder()
    folder = temporaryFolder.path
    try ONNXExporter().write(FineTuningTests.trunk(), to: "\(folder)/trunk.onnx")
    dataset = try FineTuningTests.stripes(count: 60, classCount: 3, folder: folder)
    var recipe = Recipe()
    recipe.model = "\(folder)/trunk.onnx"
    recipe.head = "gap,normalization,dense(classes,l2=auto)"
    recipe.split = "80,20"
    recipe.batchSize = 16
    recipe.phases = [
      Recipe.Phase(unfreeze: "none", epochs: 3, learningRate: 0.02),
      Recipe.Phase(unfreeze: "block2", epochs: 2, learningRate: 0.005),
    ]
    self.recipe = recipe
  }

  private func run(
    _ name: String, _ recipe: Recipe, resumes: Bool = false, stopAfter: Int = .max
  ) throws -> FineTuningRun {
    var options = FineTuningRun.Options()
    options.resumes = resumes
    let run = try FineTuningRun(
      recipe, dataset: dataset, folder: "\(folder)/\(name)",
      observers: [StoppingObserver(after: stopAfter)], options: options)
    #expect(try run.run() == (stopAfter == .max))
    return run
  }

  /// The input of the head's layer has the mean and the variance that the layer assumes.
  @Test func statisticsAreThoseOfTheTrainingImages() throws {
    let run = try run("statistics", recipe)
    let graph = run.fineTuner.model.graph
    let node = try #require(graph.nodes.first { $0.name == "head/normalization" })
    let constants = try node.inputs[1...].map {
      try #require(graph.constant($0)).elements(as: Float.self)
    }
    #expect(constants[0].allSatisfy { $0 == 1 } && constants[1].allSatisfy { $0 == 0 })
    var features = try FineTuningTests.trunk()
    let maps = try #require(features.outputs.first)
    features.outputs = [features.addNode("GlobalAveragePool", [maps])]
    let session = Session(try Executable(features))
    let preprocessor = try Preprocessor(run.preprocessing)
    let rows = try run.data.training.map { item in
      let image = try preprocessor.tensor(for: item.image())
      return try session.run([image])[0].elements(as: Float.self).map(Double.init)
    }
    for column in constants[2].indices {
      let values = rows.map { $0[column] }
      let mean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
      #expect(abs(Double(constants[2][column]) - mean) <= 1e-5 * max(1, abs(mean)))
      // Features that are equal in all images keep their scale.
      let expected = variance == 0 ? 1 : variance
      #expect(abs(Double(constants[3][column]) - expected) <= 1e-4 * expected)
    }
  }

  /// Scores that random weights made would outlast the few steps of a small data set.
  @Test func linearClassifierBeginsAtZero() throws {
    func kernel(_ head: String) throws -> [Float] {
      let model = try TransferModel(
        trunk: FineTuningTests.trunk(),
        image: TransferModel.ImageExtents(channels: 3, height: 16, width: 16),
        head: HeadSpecification(head), classNames: ["a", "b", "c"], seed: 1)
      let weights = try #require(model.headWeights.first)
      return try #require(model.graph.constants[weights]).elements(as: Float.self)
    }
    for head in [
      "gap,normalization,dense(classes,l2=auto)", "gap,normalization,dropout(0.5),dense(classes)",
    ] {
      #expect(try kernel(head).allSatisfy { $0 == 0 })
    }
    // Units that all begin alike would stay alike, and without normalization Keras's weights hold.
    for head in ["gap,normalization,dense(4,relu),dense(classes)", "gap,dense(classes)"] {
      #expect(try kernel(head).allSatisfy { $0 != 0 })
    }
  }

  /// The written model has no normalization any more, and gives the same scores.
  @Test func exportFoldsItIntoTheDenseLayer() throws {
    // Without validation the written model is that of the last epoch, whose weights are at hand.
    var recipe = recipe
    recipe.split = "100,0"
    let run = try run("folded", recipe)
    let written = try ONNXImporter().graph(path: run.modelPath)
    #expect(!written.nodes.contains { $0.operatorType == "BatchNormalization" })
    var unfolded = run.fineTuner.model.graph
    let scores = try #require(unfolded.outputs.first)
    unfolded.outputs = [unfolded.addNode("Softmax", [scores], attributes: ["axis": .int(1)])]
    let sessions = [Session(try Executable(unfolded)), Session(try Executable(written))]
    let preprocessor = try Preprocessor(run.preprocessing)
    for item in run.data.training {
      let image = try preprocessor.tensor(for: item.image())
      let results = try sessions.map { try $0.run([image])[0].elements(as: Float.self) }
      for (expected, result) in zip(results[0], results[1]) {
        #expect(abs(expected - result) < 1e-5)
      }
    }
  }

  @Test(arguments: [1, 5, 9, 12, 16])
  func resumingGivesTheSameBits(_ stopAfter: Int) throws {
    _ = try run("whole", recipe)
    let phase = try run("parts", recipe, stopAfter: stopAfter).fineTuner.state.phase
    #expect(phase == (stopAfter == 16 ? 1 : 0))
    _ = try run("parts", recipe, resumes: true)
    let models = try ["whole", "parts"].map {
      try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)/model.onnx"))
    }
    #expect(models[0] == models[1])
  }

  /// Where the first phase trains the trunk, too, nothing is kept that the statistics could be
  /// taken from.
  @Test func adaptsToTheFirstWeightsWhereNothingIsFrozen() throws {
    var recipe = recipe
    recipe.phases = [Recipe.Phase(unfreeze: "all", epochs: 1, learningRate: 0)]
    let whole = try run("unfrozen", recipe).fineTuner.model.graph
    let frozen = try run("frozen", self.recipe).fineTuner.model.graph
    for name in ["mean", "variance"] {
      let tensors = try [whole, frozen].map { graph in
        let id = try #require(
          graph.constants.keys.first { graph[$0].name == "head/normalization/\(name)" })
        return try #require(graph.constants[id]).elements(as: Float.self)
      }
      for (one, other) in zip(tensors[0], tensors[1]) {
        #expect(abs(one - other) <= 1e-5 * max(1, abs(other)))
      }
    }
  }

  @Test func whatTrainingChangesIsNotNormalized() {
    for head in [
      "dropout(0.5),normalization,dense(classes)", "dense(8),normalization,dense(classes)",
    ] {
      expectError(.usage, "'\(head)'") { try HeadSpecification(head) }
    }
    expectError(.usage, "normalization") {
      try HeadSpecification("gap,normalization(3),dense(classes)")
    }
  }

  @Test func headIsReadAsItIsWritten() throws {
    let text = "gap,normalization,dense(16,relu,l1=0.1,l2=auto),dense(classes,l2=auto)"
    #expect(try HeadSpecification(text).description == text)
  }
}
