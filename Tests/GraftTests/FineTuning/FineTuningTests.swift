import Foundation
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTensor
import GraftTraining
import TestSupport
import Testing

/// Fine-tuning on small images that are made here: what is computed once, what is resumed, what is
/// exported.
@Suite final class FineTuningTests {
  private let temporaryFolder: TemporaryFolder
  let folder: String
  let trunkPath: String
  let dataset: ImageDataset

  init() throws {
    temporaryFolder = try TemporaryFolder()
    folder = temporaryFolder.path
    trunkPath = "\(folder)/trunk.onnx"
    try ONNXExporter().write(FineTuningTests.trunk(), to: trunkPath)
    dataset = try FineTuningTests.stripes(count: 60, classCount: 3, folder: folder)
  }

  /// Two convolutions with a pool between them: [N, 3, 16, 16] to [N, 12, 8, 8].
  static func trunk() throws -> Graph {
    var graph = Graph(name: "trunk")
    var generator = SeededGenerator(seed: 3)
    func weights(_ shape: Shape) throws -> Tensor {
      try Tensor(
        (0..<shape.elementCount).map { _ in Float(generator.nextUnit() - 0.5) * 0.6 }, shape: shape)
    }
    var value = graph.addInput(name: "image", type: TensorType(.float, [.symbol("N"), 3, 16, 16]))
    for (index, (input, output)) in [(3, 8), (8, 12)].enumerated() {
      let name = "block\(index + 1)_conv"
      value = graph.addNode(
        "Conv", name: name,
        [
          value, graph.addConstant(name: "\(name)/kernel", try weights([output, input, 3, 3])),
          graph.addConstant(name: "\(name)/bias", try weights([output])),
        ], attributes: ["pads": .ints([1, 1, 1, 1])])
      value = graph.addNode("Relu", [value])
      if index == 0 {
        value = graph.addNode(
          "MaxPool", [value],
          attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
      }
    }
    graph[value].name = "features"
    graph.outputs = [value]
    graph.metadata["graft.features"] = "1"
    graph.metadata["graft.preprocessing.name"] = "unit"
    return graph
  }

  /// Noise with stripes across, along, or none.
  static func stripes(count: Int, classCount: Int, folder: String) throws -> ImageDataset {
    var generator = SeededGenerator(seed: 5)
    var bytes = [UInt8](repeating: 0, count: count * 16 * 16 * 3)
    let labels = (0..<count).map { UInt8($0 % classCount) }
    for index in bytes.indices {
      let (image, rest) = index.quotientAndRemainder(dividingBy: 16 * 16 * 3)
      let (row, column) = (rest / 3).quotientAndRemainder(dividingBy: 16)
      let stripe = [row % 4 < 2, column % 4 < 2, true][image % classCount]
      bytes[index] = UInt8(Double(stripe ? 150 : 60) + 60 * generator.nextUnit())
    }
    let path = "\(folder)/stripes.npz"
    try NPZFile.write(
      [
        ("x", try Tensor(bytes, shape: [count, 16, 16, 3])),
        ("y", try Tensor(labels, shape: [count])),
      ], path: path)
    return try ImageDataset.open(path)
  }

  func recipe() -> Recipe {
    var recipe = Recipe()
    recipe.model = trunkPath
    recipe.head = "gap,dropout(0.2),dense(8,relu,l2=1e-4),dense(classes)"
    recipe.split = "60,20,20"
    recipe.batchSize = 16
    recipe.phases = [
      Recipe.Phase(unfreeze: "none", epochs: 4, learningRate: 0.02),
      Recipe.Phase(unfreeze: "block2", epochs: 2, learningRate: 0.005),
    ]
    return recipe
  }

  func run(
    _ name: String, _ recipe: Recipe, data: ImageDataset? = nil, keepsFeatures: Bool = true,
    threads: Int = 2, resumes: Bool = false, stopAfter: Int = .max,
    observers: [any TrainingObserver] = []
  ) throws -> (run: FineTuningRun, isDone: Bool) {
    var options = FineTuningRun.Options()
    options.resumes = resumes
    options.fineTuner.keepsFeatures = keepsFeatures
    options.fineTuner.executable.threadCount = threads
    let run = try FineTuningRun(
      recipe, dataset: data ?? dataset, folder: "\(folder)/\(name)",
      observers: observers + [StoppingObserver(after: stopAfter)],
      options: options)
    return (run, try run.run())
  }

  func bytes(_ run: FineTuningRun) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: run.modelPath))
  }

  /// Convolutions accept images of any size, even if the file has a fixed one; dense layers do not.
  @Test func trunksTakeOtherSizesWhereTheyCan() throws {
    var recipe = recipe()
    recipe.head = "flatten,dense(4,relu),dense(classes)"
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 1, learningRate: 0.01)]
    let (first, _) = try run("first", recipe)
    recipe.model = first.modelPath
    recipe.imageSize = "24"
    recipe.cut = "head/dense_1"
    let error = #expect(throws: GraftError.self) { try run("dense", recipe) }
    #expect(error?.message.contains("takes images of shape [3, 16, 16]") == true)
    #expect(error?.hint?.contains("--image-size") == true)
    recipe.cut = "block2_conv"
    let (larger, isDone) = try run("larger", recipe)
    #expect(isDone)
    let graph = try ONNXImporter().graph(path: larger.modelPath)
    let shape = graph[graph.inputs[0]].type?.tensor?.shape
    #expect(shape?.suffix(3).map(\.known) == [3, 24, 24])
    let again = try Classifier(ModelLoader().load(larger.modelPath, cache: nil)).evaluate(
      larger.data.test, classNames: dataset.classNames, batchSize: 5)
    #expect(again.confusionMatrix == larger.evaluated?.result.confusionMatrix)
  }

  /// Classifiers end with pooling of their own, as a rule; the default head's has nothing to do
  /// there.
  @Test func poolingOfVectorsIsLeftOut() throws {
    var trunk = try FineTuningTests.trunk()
    trunk.metadata = ["graft.preprocessing.name": "unit"]
    let pooled = trunk.addNode(
      "Flatten", [trunk.addNode("GlobalAveragePool", [trunk.outputs[0]])], outputName: "pooled")
    let weights = trunk.addConstant(
      name: "classes/kernel", try Tensor([Float](repeating: 0.1, count: 48), shape: [12, 4]))
    trunk.outputs = [trunk.addNode("MatMul", name: "classes", [pooled, weights])]
    var recipe = recipe()
    recipe.model = "\(folder)/classifier.onnx"
    recipe.head = Recipe().head
    try ONNXExporter().write(trunk, to: recipe.model)
    var remarks: [String] = []
    let run = try FineTuningRun(recipe, dataset: dataset, folder: "\(folder)/vectors") {
      remarks.append($0)
    }
    #expect(remarks.contains { $0.contains("pooling is omitted") })
    #expect(try run.run())
    let types = try ONNXImporter().graph(path: run.modelPath).nodes.map(\.operatorType)
    #expect(types.contains("GlobalAveragePool") && !types.contains("GlobalMaxPool"))
    // Behind a layer it makes no sense.
    recipe.head = "dense(4),gmp,dense(classes)"
    let error = #expect(throws: GraftError.self) {
      try FineTuningRun(recipe, dataset: dataset, folder: "\(folder)/nonsense")
    }
    #expect(error?.message.contains("'gmp' has nothing to pool") == true)
    // The map before the network's own pooling can be pooled in other ways.
    recipe.head = Recipe().head
    recipe.cut = "block2_conv"
    remarks = []
    _ = try FineTuningRun(recipe, dataset: dataset, folder: "\(folder)/map") { remarks.append($0) }
    #expect(!remarks.contains { $0.contains("pooling") })
  }

  /// Nothing says how images are prepared for a network of grey ones: samples from 0 to 1, as for
  /// `infer`.
  @Test func greyNetworksAreTrunks() throws {
    var trunk = Graph(name: "grey")
    let x = trunk.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 1, 16, 16]))
    let kernel = try Tensor((0..<36).map { Float($0 % 7) / 20 - 0.1 }, shape: [4, 1, 3, 3])
    let features = trunk.addNode("Conv", [x, trunk.addConstant(name: "kernel", kernel)])
    let pooled = trunk.addNode("Flatten", [trunk.addNode("GlobalMaxPool", [features])])
    let weights = trunk.addConstant(name: "dense", try Tensor(zeros: .float, shape: [4, 2]))
    trunk.outputs = [trunk.addNode("MatMul", [pooled, weights])]
    var recipe = recipe()
    recipe.model = "\(folder)/grey.onnx"
    recipe.phases = [Recipe.Phase(unfreeze: "none", epochs: 1)]
    try ONNXExporter().write(trunk, to: recipe.model)
    var remarks: [String] = []
    let run = try FineTuningRun(recipe, dataset: dataset, folder: "\(folder)/grey") {
      remarks.append($0)
    }
    #expect(remarks.contains { $0.contains("assuming 'unit'") })
    #expect(try run.run())
  }

  @Test func learnsAndExports() throws {
    var recipe = recipe()
    recipe.phases[0].epochs = 40
    let (run, isDone) = try run("learns", recipe)
    #expect(isDone)
    let history = run.fineTuner.state.history
    #expect(history.count == 42)
    #expect(history.last!.loss < history.first!.loss * 0.8)
    let result = try #require(run.evaluated).result
    #expect(result.count == 12)
    #expect(result.confusionMatrix.flatMap { $0 }.reduce(0, +) == 12)
    // The exported file alone, as `infer` and `graft evaluate` take it.
    let classifier = try Classifier(ModelLoader().load(run.modelPath, cache: nil))
    #expect(classifier.remarks.isEmpty)
    #expect(classifier.labels?.names == dataset.classNames)
    let again = try classifier.evaluate(
      run.data.test, classNames: dataset.classNames, batchSize: 5)
    #expect(again.confusionMatrix == result.confusionMatrix)
    #expect(abs(again.loss - result.loss) < 1e-5)
    let report = try String(contentsOfFile: run.folder.path(of: .report), encoding: .utf8)
    for part in ["<polyline", "Confusion matrix (test)", "block2_conv/kernel", "batch_size: 16"] {
      #expect(report.contains(part))
    }
    // Nothing is loaded from elsewhere.
    #expect(!report.contains("src=\"http") && !report.contains("<script"))
  }

  /// The same bits whether features are kept or not, for any number of threads, and after
  /// interruptions anywhere.
  @Test func everyWayGivesTheSameBits() throws {
    let expected = try bytes(run("expected", recipe()).run)
    #expect(try bytes(run("again", recipe()).run) == expected)
    #expect(try bytes(run("computed", recipe(), keepsFeatures: false).run) == expected)
    #expect(try bytes(run("one-thread", recipe(), threads: 1).run) == expected)
    for stop in [1, 4, 9, 13, 15] {
      let name = "stopped-\(stop)"
      #expect(try run(name, recipe(), stopAfter: stop).isDone == false)
      let (resumed, isDone) = try run(name, recipe(), resumes: true)
      #expect(isDone)
      #expect(try bytes(resumed) == expected, "stopped after \(stop) steps")
    }
  }

  /// A schedule that watches the loss continues with its state before an interruption.
  @Test func schedulesSurviveInterruptions() throws {
    var recipe = recipe()
    recipe.phases[0].optimizer = "rmsprop(momentum=0.5)"
    // No loss is smaller by 10: the rate is halved after each epoch but the first.
    recipe.phases[0].schedule = "reduce_on_plateau(patience=1,decay=0.5,change=10)"
    recipe.phases[1].schedule = "cosine(warmup=1)"
    let whole = try run("plateau", recipe).run
    let rates = whole.fineTuner.state.history.map(\.learningRate)
    #expect(rates.prefix(4).map { ($0 * 1e6).rounded() } == [20000, 20000, 10000, 5000])
    let expected = try bytes(whole)
    for stop in [7, 8, 10, 14] {
      let name = "plateau-\(stop)"
      #expect(try run(name, recipe, stopAfter: stop).isDone == false)
      #expect(
        try bytes(run(name, recipe, resumes: true).run) == expected,
        "stopped after \(stop) steps")
    }
  }

  /// Between phases a checkpoint has no state of an optimizer.
  @Test func goesOnBetweenPhases() throws {
    let expected = try bytes(run("undisturbed", recipe()).run)
    // Only one run at a time has the folder.
    do {
      let first = try FineTuningRun(recipe(), dataset: dataset, folder: "\(folder)/between")
      let delegate = StoppingDelegate(first)
      first.fineTuner.delegate = delegate
      #expect(throws: GraftError.self) { try first.run() }
      #expect(throws: GraftError.self) { try run("between", recipe(), resumes: true) }
      withExtendedLifetime((first, delegate)) {}
    }
    #expect(try bytes(run("between", recipe(), resumes: true).run) == expected)
  }

  /// Ends a run with an error once it has saved the end of its first phase.
  private final class StoppingDelegate: FineTunerDelegate {
    private let run: FineTuningRun

    init(_ run: FineTuningRun) { self.run = run }

    var observers: [any TrainingObserver] { run.observers }

    func save(_ checkpoint: Checkpoint) throws {
      try run.save(checkpoint)
      if checkpoint.state.phase == 1 { throw GraftError.usage("stopped here") }
    }

    func saveBest(_ checkpoint: Checkpoint) throws { try run.saveBest(checkpoint) }
  }

  @Test func aRunKeepsItsImages() throws {
    #expect(try run("pictures", recipe(), stopAfter: 6).isDone == false)
    let others = try FineTuningTests.stripes(count: 63, classCount: 3, folder: folder)
    var options = FineTuningRun.Options()
    options.resumes = true
    #expect {
      try FineTuningRun(recipe(), dataset: others, folder: "\(folder)/pictures", options: options)
    } throws: { error in
      "\(error)".contains("not those")
    }
    var other = recipe()
    other.seed = 9
    expectError(.usage, "not those") { try run("pictures", other, resumes: true) }
  }

  @Test func frozenWeightsStay() throws {
    let before = try ONNXImporter().graph(path: trunkPath)
    let after = try ONNXImporter().graph(path: run("frozen", recipe()).run.modelPath)
    func weight(_ name: String, _ graph: Graph) throws -> [Float] {
      let id = try #require(graph.constants.keys.first { graph[$0].name == name })
      return try graph.constants[id]!.elements(as: Float.self)
    }
    #expect(try weight("block1_conv/kernel", after) == weight("block1_conv/kernel", before))
    #expect(try weight("block2_conv/kernel", after) != weight("block2_conv/kernel", before))
  }

  @Test func mistakesAreErrorsBeforeTimeIsSpent() throws {
    func expectError(_ part: String, _ change: (inout Recipe) -> Void) {
      var recipe = recipe()
      change(&recipe)
      do {
        _ = try run("mistake", recipe)
        Issue.record("no error that says '\(part)'")
      } catch {
        #expect("\(error)".contains(part), "\(error)")
      }
    }
    expectError("block2") { $0.phases[1].unfreeze = "blok2" }
    expectError("dense(classes)") { $0.head = "gap,dense(3)" }
    expectError("gmp, gap or flatten") { $0.head = "dense(classes)" }
    expectError("features") { $0.cut = "feature" }
    expectError("adam") { $0.phases[0].optimizer = "adm" }
    expectError("one_cycle") { $0.phases[0].schedule = "onecycle" }
    expectError("squared_hinge") { $0.loss = "square_hinge" }
    expectError("cutout") { $0.augment = "flip,cutuot(8)" }
    expectError("crop(PIXELS)") { $0.augment = "crop(-1)" }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/mistake/recipe.yaml"))
  }
}
