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

/// The files in a run's folder, and how runs resume from them.
@Suite final class RunFolderTests {
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
    recipe.head = "gap,dropout(0.2),dense(8,relu,l2=1e-4),dense(classes)"
    recipe.split = "60,20,20"
    recipe.batchSize = 16
    recipe.phases = [
      Recipe.Phase(unfreeze: "none", epochs: 4, learningRate: 0.02),
      Recipe.Phase(unfreeze: "block2", epochs: 2, learningRate: 0.005),
    ]
    self.recipe = recipe
  }

  @discardableResult
  private func run(
    _ name: String, _ recipe: Recipe, resumes: Bool = false, stopAfter: Int = .max,
    remark: @escaping (String) -> Void = { _ in }
  ) throws -> FineTuningRun {
    var options = FineTuningRun.Options()
    options.resumes = resumes
    options.fineTuner.executable.threadCount = 2
    let run = try FineTuningRun(
      recipe, dataset: dataset, folder: "\(folder)/\(name)",
      observers: [StoppingObserver(after: stopAfter)], options: options, remark: remark)
    #expect(try run.run() == (stopAfter == .max))
    return run
  }

  private func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(path)"))
  }

  /// Weights and optimizer state, without the times.
  private func values(_ path: String) throws -> [ByteString: [Float]] {
    try Checkpoint(path: "\(folder)/\(path)").valuesByName.mapValues { tensor in
      tensor.elementType == .float ? try tensor.elements(as: Float.self) : []
    }
  }

  /// The losses of all steps and epochs, without the times.
  private func losses(_ name: String) throws -> [String] {
    let epochs = String(decoding: try bytes("\(name)/log.csv"), as: UTF8.self)
      .split(separator: "\n").map { $0.split(separator: ",").prefix(7).joined(separator: ",") }
    return epochs + [String(decoding: try bytes("\(name)/steps.csv"), as: UTF8.self)]
  }

  @Test func bestIsTheEpochWithTheSmallestLoss() throws {
    let history = try run("best", recipe).fineTuner.state.history
    let best = try Checkpoint(path: "\(folder)/best/best.npz")
    let index = try #require(history.bestIndex)
    #expect(history[index].validationLoss == history.compactMap(\.validationLoss).min())
    #expect(best.state.history.count == index + 1)
    #expect(best.state.epoch == history[index].epoch)
    // It can be gone on with, as any checkpoint.
    try FileManager.default.removeItem(atPath: "\(folder)/best/report.html")
    try FileManager.default.removeItem(atPath: "\(folder)/best/last.npz")
    let model = try bytes("best/model.onnx")
    try FileManager.default.copyItem(
      atPath: "\(folder)/best/best.npz", toPath: "\(folder)/best/last.npz")
    try run("best", recipe, resumes: true)
    #expect(try bytes("best/model.onnx") == model)
  }

  /// Of the best epoch's checkpoint only the weights are read, not what training would go on with.
  @Test func weightsOfCheckpointsAreReadAlone() throws {
    var recipe = recipe
    recipe.earlyStopping = 5
    let tuner = try run("weights", recipe).fineTuner
    let path = "\(folder)/weights/best.npz"
    let names = tuner.weightNames
    let whole = try Checkpoint(path: path)
    let weights = try Checkpoint(path: path) { names.contains(ByteString($0)) }
    #expect(!weights.values.isEmpty && 2 * weights.values.count < whole.values.count)
    let constants = try tuner.model(of: weights).graph.constants.mapValues {
      try $0.elements(as: Float.self)
    }
    let expected = try tuner.model(of: whole).graph.constants.mapValues {
      try $0.elements(as: Float.self)
    }
    #expect(constants == expected)
    let trained = weights.values.reduce(0) { $0 + $1.tensor.byteCount }
    let all = tuner.model.weights.compactMap { tuner.model.graph.constants[$0]?.byteCount }
    #expect((1...all.reduce(0, +)).contains(trained))
    // The network as it is here has the trained weights in it, and its first ones are kept beside.
    let added = try tuner.byteCountAfterTraining() - tuner.model.graph.heapByteCount()
    #expect(added >= 2 * trained && added <= 2 * all.reduce(0, +))
  }

  /// Weights of earlier phases are stored beside the first weights while a later phase trains them.
  @Test func weightsOfEarlierPhasesTakeMemory() throws {
    var recipe = recipe
    recipe.phases = ["all", "none", "all", "all"].map {
      Recipe.Phase(unfreeze: $0, epochs: 1, learningRate: 0.01)
    }
    recipe.phases[0].epochs = 0
    let data = try dataset.split(SplitShares(recipe.split), seed: 1)
    let (model, preprocessing, _) = try TransferModel.make(
      recipe, classNames: dataset.classNames
    ) { _ in }
    let tuner = try FineTuner(recipe, model: model, data: data, preprocessing: preprocessing)
    let byteCounts = try recipe.phases.indices.map {
      try tuner.byteCount(ofPhase: $0, batchSize: 16, false)
    }
    func byteCount(_ weights: [ValueID]) -> Int {
      weights.reduce(0) { $0 + (model.graph.constants[$1]?.byteCount ?? 0) }
    }
    let (head, all) = (byteCount(model.headWeights), byteCount(model.weights))
    #expect(head > 0 && all > head)
    #expect(byteCounts[2] == byteCounts[0] + head)
    #expect(byteCounts[3] == byteCounts[0] + all)
  }

  /// A phase ends after `patience` epochs without a smaller loss, with the weights of its best one.
  @Test func earlyStoppingTakesTheBestEpoch() throws {
    var recipe = recipe
    recipe.earlyStopping = 2
    // So large a rate that losses go up and down.
    recipe.phases[0] = Recipe.Phase(unfreeze: "none", epochs: 40, learningRate: 0.3)
    recipe.phases[1].epochs = 12
    let whole = try run("early", recipe)
    let history = whole.fineTuner.state.history
    let first = history.filter { $0.phase == 1 }
    #expect(first.count < 40)
    let best = try #require(first.bestIndex)
    #expect(first.count == best + 3)
    // A single phase that ends with the best epoch has the same weights.
    var short = recipe
    short.earlyStopping = nil
    short.phases = [recipe.phases[0]]
    short.phases[0].epochs = best + 1
    try run("short", short)
    short.phases = [recipe.phases[0]]
    short.earlyStopping = 2
    try run("stopped", short)
    #expect(try bytes("short/model.onnx") != bytes("early/model.onnx"))
    #expect(try values("short/last.npz").count > 3)
    #expect(try bytes("short/model.onnx") == bytes("stopped/model.onnx"))
    // Anywhere in the epochs that lead to the end, and beyond.
    let model = try bytes("early/model.onnx")
    let losses = try losses("early")
    for stop in [2, 3 * (best + 1), 3 * (best + 1) + 2, 3 * first.count - 1, 3 * first.count + 4] {
      let name = "early-\(stop)"
      try run(name, recipe, stopAfter: stop)
      try run(name, recipe, resumes: true)
      #expect(try bytes("\(name)/model.onnx") == model, "stopped after \(stop) steps")
      #expect(try self.losses(name) == losses, "stopped after \(stop) steps")
      #expect(try values("\(name)/best.npz") == values("early/best.npz"))
      #expect(try values("\(name)/last.npz") == values("early/last.npz"))
    }
  }

  /// The rate of an epoch that was interrupted right after its last step is that of its last step.
  @Test func recordsSurviveInterruptions() throws {
    var recipe = recipe
    recipe.phases[0].schedule = "cosine"
    try run("whole", recipe)
    for stop in [3, 6, 7] {
      try run("part-\(stop)", recipe, stopAfter: stop)
      try run("part-\(stop)", recipe, resumes: true)
      #expect(try losses("part-\(stop)") == losses("whole"))
    }
  }

  /// All that a recipe can say of updates, with interruptions in the middle of accumulated steps.
  @Test func updatesOfAllKindsSurviveInterruptions() throws {
    var recipe = recipe
    recipe.accumulationSteps = 2
    recipe.gradientClipping = "global_norm(0.5)"
    recipe.classWeights = "balanced"
    recipe.learningRateFactors = "block2=0.1,head=2"
    recipe.phases[1].optimizer = "adamw"
    try run("updates", recipe)
    for stop in [1, 4, 13] {
      try run("updates-\(stop)", recipe, stopAfter: stop)
      try run("updates-\(stop)", recipe, resumes: true)
      #expect(try bytes("updates-\(stop)/model.onnx") == bytes("updates/model.onnx"))
    }
    // Each of them matters.
    for change: (inout Recipe) -> Void in [
      { $0.accumulationSteps = 1 }, { $0.gradientClipping = "value(1e-4)" },
      { $0.classWeights = "0=3" }, { $0.learningRateFactors = "block2=0" },
    ] {
      var other = recipe
      change(&other)
      try? FileManager.default.removeItem(atPath: "\(folder)/other")
      try run("other", other)
      #expect(try bytes("other/model.onnx") != bytes("updates/model.onnx"))
    }
  }

  /// A factor of 0 is as good as freezing.
  @Test func factorsApplyToTheirBlocks() throws {
    var recipe = recipe
    recipe.phases = [Recipe.Phase(unfreeze: "all", epochs: 1, learningRate: 0.01)]
    recipe.learningRateFactors = "all=1,block2=0"
    try run("factors", recipe)
    let before = try ONNXImporter().graph(path: "\(folder)/trunk.onnx")
    let after = try ONNXImporter().graph(path: "\(folder)/factors/model.onnx")
    func weight(_ name: String, _ graph: Graph) throws -> [Float] {
      let id = try #require(graph.constants.keys.first { graph[$0].name == name })
      return try graph.constants[id]!.elements(as: Float.self)
    }
    #expect(try weight("block2_conv/kernel", after) == weight("block2_conv/kernel", before))
    #expect(try weight("block1_conv/kernel", after) != weight("block1_conv/kernel", before))
  }

  @Test func logsThatLackSomethingAreErrors() throws {
    try run("logs", recipe, stopAfter: 8)
    for name in ["log.csv", "log.jsonl", "steps.csv", "events.out.tfevents.graft"] {
      let path = "\(folder)/logs/\(name)"
      let whole = try bytes("logs/\(name)")
      try whole.dropLast(3).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: GraftError.self) { try run("logs", recipe, resumes: true) }
      #expect(error?.code == .badData)
      #expect(error?.places.first == path)
      try whole.write(to: URL(fileURLWithPath: path))
    }
    try run("logs", recipe, resumes: true)
  }

  /// One bit of one weight.
  @Test func damagedWeightsAreErrors() throws {
    try run("damaged", recipe, stopAfter: 5)
    let path = "\(folder)/damaged/last.npz"
    let kernel = try #require(try Checkpoint(path: path).valuesByName["head/dense_1/kernel"])
    let content = Data(bytes: kernel.baseAddress, count: kernel.byteCount)
    var file = try bytes("damaged/last.npz")
    let place = try #require(file.range(of: content))
    file[place.lowerBound + 9] ^= 4
    try file.write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: GraftError.self) { try run("damaged", recipe, resumes: true) }
    #expect(error?.code == .badData && error?.places.first == path)
  }

  @Test func startingOverIsSaid() throws {
    try run("over", recipe, stopAfter: 1)
    try FileManager.default.removeItem(atPath: "\(folder)/over/last.npz")
    // Unfinished files of a killed run, and files that are not the run's.
    for name in ["last.npz.part", "last.npz.part.AbC123", "report.html.77.tmp", "notes.tmp"] {
      try Data([1]).write(to: URL(fileURLWithPath: "\(folder)/over/\(name)"))
    }
    var remarks: [String] = []
    try run("over", recipe, resumes: true) { remarks.append($0) }
    #expect(remarks.contains { $0.contains("no checkpoint") })
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/over")
    #expect(names.filter { $0.contains("part") || $0.contains("tmp") } == ["notes.tmp"])
    try run("whole", recipe)
    #expect(try bytes("over/model.onnx") == bytes("whole/model.onnx"))
    #expect(try losses("over") == losses("whole"))
  }

  /// No file of a finished run is made again.
  @Test func aRunThatIsDoneStaysAsItIs() throws {
    try run("done", recipe)
    let files = ["model.onnx", "report.html", "log.csv", "last.npz"]
    func times() throws -> [Date?] {
      try files.map {
        try FileManager.default.attributesOfItem(atPath: "\(folder)/done/\($0)")[.modificationDate]
          as? Date
      }
    }
    let before = try times()
    try run("done", recipe, resumes: true)
    #expect(try times() == before)
  }

  /// Mistakes leave no trace in the folder, and none in that of another run.
  @Test func mistakesWriteNothing() throws {
    var tooLarge = recipe
    tooLarge.batchSize = 37
    #expect {
      try run("large", tooLarge)
    } throws: { "\($0)".contains("37") && "\($0)".contains("36 training images") }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/large"))
    try run("kept", recipe, stopAfter: 5)
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/kept").sorted()
    let before = try names.map { try bytes("kept/\($0)") }
    var other = recipe
    other.seed = 12
    expectError(.usage, "not those") { try run("kept", other, resumes: true) }
    let others = try FineTuningTests.stripes(count: 63, classCount: 3, folder: folder)
    var options = FineTuningRun.Options()
    options.resumes = true
    expectError(.usage, "\(folder)/kept") {
      try FineTuningRun(recipe, dataset: others, folder: "\(folder)/kept", options: options)
    }
    #expect(try names.map { try bytes("kept/\($0)") } == before)
  }

  /// Imported networks may have weights of the same name, or of none; each is restored as itself.
  @Test(arguments: ["", "twin", "best/x", "#3", "graft.run.json", "a\u{0}b"])
  func oddNamesAreKeptApart(_ name: String) throws {
    var trunk = try FineTuningTests.trunk()
    let isShared = ["", "twin"].contains(name)
    for id in trunk.constants.keys.sorted().prefix(isShared ? 4 : 1) { trunk[id].name = name }
    let image = TransferModel.ImageExtents(channels: 3, height: 16, width: 16)
    let model = try TransferModel(
      trunk: trunk, image: image, head: HeadSpecification(recipe.head),
      classNames: dataset.classNames, seed: 1)
    var recipe = recipe
    recipe.phases = [
      Recipe.Phase(unfreeze: "all", epochs: 2, learningRate: 0.01),
      Recipe.Phase(unfreeze: "none", epochs: 2, learningRate: 0.01),
    ]
    let data = try dataset.split(SplitShares(recipe.split), seed: 1)
    let preprocessing = try TransferModel.make(recipe, classNames: dataset.classNames) { _ in }
      .preprocessing
    func trained(stopAfter: Int) throws -> [ValueID: [Float]] {
      let path = "\(folder)/odd.npz"
      func tuner() throws -> FineTuner {
        try FineTuner(
          recipe, model: model, data: data,
          preprocessing: preprocessing)
      }
      let first = try tuner()
      let delegate = SavingDelegate(path: path, stopAfter: stopAfter)
      first.delegate = delegate
      defer { withExtendedLifetime(delegate) {} }
      if try first.run() { return try first.model.graph.constants.mapValues { try $0.elements() } }
      let second = try tuner()
      try second.resume(Checkpoint(path: path))
      try second.run()
      return try second.model.graph.constants.mapValues { try $0.elements() }
    }
    let expected = try trained(stopAfter: .max)
    for stop in [2, 4, 7, 8] { #expect(try trained(stopAfter: stop) == expected) }
  }

  private final class SavingDelegate: FineTunerDelegate {
    private let path: String
    let observers: [any TrainingObserver]

    init(path: String, stopAfter: Int) {
      self.path = path
      observers = [StoppingObserver(after: stopAfter)]
    }

    func save(_ checkpoint: Checkpoint) throws { try checkpoint.write(to: path) }
  }

  /// Running statistics that a phase trained stay when a later phase, which does not train them,
  /// is resumed.
  @Test func runningStatisticsSurvive() throws {
    var trunk = try FineTuningTests.trunk()
    let features = trunk.outputs[0]
    func constant(_ name: String, _ value: Float) throws -> ValueID {
      trunk.addConstant(
        name: "norm/\(name)", try Tensor([Float](repeating: value, count: 12), shape: [12]))
    }
    let inputs = [
      features, try constant("scale", 1), try constant("bias", 0), try constant("mean", 0.1),
      try constant("variance", 1.5),
    ]
    trunk.outputs = [trunk.addNode("BatchNormalization", inputs, outputName: "normalized")]
    try ONNXExporter().write(trunk, to: "\(folder)/normalized.onnx")
    var recipe = recipe
    recipe.model = "\(folder)/normalized.onnx"
    recipe.cut = "normalized"
    recipe.phases = [
      Recipe.Phase(unfreeze: "norm", epochs: 2, learningRate: 0.01),
      Recipe.Phase(unfreeze: "none", epochs: 2, learningRate: 0.01),
    ]
    try run("statistics", recipe)
    for stop in [2, 8] {
      try run("statistics-\(stop)", recipe, stopAfter: stop)
      try run("statistics-\(stop)", recipe, resumes: true)
      #expect(try bytes("statistics-\(stop)/model.onnx") == bytes("statistics/model.onnx"))
    }
    let keys = try Checkpoint(path: "\(folder)/statistics/last.npz").valuesByName.keys
    #expect(keys.contains("norm/mean") && keys.contains("norm/variance"))
  }

  @Test func curvesAreAnImage() throws {
    let run = try run("curves", recipe)
    let image = try Image.read(run.folder.path(of: .curvesImage))
    #expect(image.size == ImageSize(width: 1680, height: 480))
    let samples = image.samples
    func count(_ color: [UInt8]) -> Int {
      stride(from: 0, to: samples.count, by: 3).count { Array(samples[$0..<$0 + 3]) == color }
    }
    // Both curves and their names, letters, and paper.
    #expect(count([0x16, 0x68, 0xa7]) > 500 && count([0xc2, 0x57, 0x1a]) > 500)
    #expect(count([0x33, 0x33, 0x33]) > 1000 && count([255, 255, 255]) > 500_000)
    let result = try JSONDecoder().decode(
      EvaluationResult.self, from: try bytes("curves/evaluation.json"))
    #expect(result.count == 12 && result.classMetrics.count == 3)
  }

  /// Source: RFC 3720, appendix B.4
  @Test func checksumsAreThoseOfTheStandard() {
    #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xe306_9283)
    #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(CRC32C.checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(CRC32C.checksum(Array(0..<32)) == 0x46dd_794e)
  }

  /// The range test names a rate at which the loss falls.
  @Test func learningRatesAreFound() throws {
    var recipe = recipe
    recipe.head = "gap,dense(8,relu),dense(classes)"
    let data = try dataset.split(SplitShares(recipe.split), seed: recipe.seed)
    let search = try LearningRateSearch(
      recipe, data: data, folder: "\(folder)/search", observers: [], options: .init()
    ) { _ in }
    let range = try #require(try search.run())
    let suggestion = try #require(range.suggestion)
    #expect((1e-4...1).contains(suggestion), "\(suggestion)")
    #expect(range.points.count > 100)
    let rates = range.points.map(\.learningRate)
    #expect(rates[0] == 1e-7 && zip(rates, rates.dropFirst()).allSatisfy { $0 < $1 })
    let lines = String(decoding: try bytes("search/learning-rates.csv"), as: UTF8.self)
      .split(separator: "\n")
    #expect(lines.count == range.points.count + 1)
    #expect(
      String(decoding: try bytes("search/learning-rates.svg"), as: UTF8.self).contains("<poly"))
    // It is not a run: one can start in the same folder.
    recipe.phases[0].learningRate = suggestion
    let history = try run("search", recipe).fineTuner.state.history
    #expect(history[3].loss < history[0].loss)
  }
}
