import GraftData
import GraftGraph
import GraftRuntime
import GraftTraining
import GraftVision

/// Tries the usual ways of preparing images on a few of them, where a network does not say which one it was trained
/// with: the right one tells the classes apart best.
struct PreparationTrial {
  private static let imageCount = 32
  private static let batchSize = 8
  /// What most published networks were trained with.
  private static let candidates: [Preprocessing.Scheme] = [.torch, .kerasCaffe, .kerasTensorFlow]
  /// How much smaller the error must be than the assumption's: less is chance.
  private static let margin = 0.95

  /// What people should know; `nil` if the images do not tell, or the assumption is as good.
  let remark: String?

  /// - Parameters:
  ///   - model: of the recipe
  ///   - assumed: how images are prepared for it
  /// - Throws: `GraftError` if an image cannot be read, or memory does not suffice.
  init(
    _ recipe: Recipe, model: TransferModel, _ assumed: Preprocessing, data: DatasetSplit,
    options: Executable.Options
  ) throws {
    let items = PreparationTrial.sample(of: data, seed: recipe.seed)
    guard PreparationTrial.candidates.contains(assumed.scheme),
      Set(items.map(\.label)).count > 1,
      let graph = try PreparationTrial.featureGraph(recipe, model)
    else {
      remark = nil
      return
    }
    let session = Session(try Executable(graph, options: options))
    let batchSize =
      model.takesOneImage ? 1 : min(PreparationTrial.batchSize, recipe.batchSize)
    func probe(_ scheme: Preprocessing.Scheme) throws -> RidgeProbe? {
      var preprocessing = assumed
      preprocessing.scheme = scheme
      let batches = try ImageBatches(items, preprocessing, threadCount: options.threadCount)
      var features: [[Float]] = []
      for start in stride(from: 0, to: items.count, by: batchSize) {
        let numbers = Array(start..<min(start + batchSize, items.count))
        guard let output = try session.run([batches.input(numbers)]).first else { return nil }
        let values = try output.elements(as: Float.self)
        let width = values.count / numbers.count
        for row in numbers.indices {
          features.append(Array(values[row * width..<(row + 1) * width]))
        }
      }
      return RidgeProbe(
        features: features, labels: items.map(\.label), classCount: data.classNames.count)
    }
    let probes = try PreparationTrial.candidates.compactMap { scheme in
      try probe(scheme).map { (scheme: scheme, probe: $0) }
    }
    guard let best = probes.min(by: { $0.probe.error < $1.probe.error }),
      let own = probes.first(where: { $0.scheme == assumed.scheme })?.probe,
      best.probe.error < PreparationTrial.margin * own.error, best.probe.accuracy > own.accuracy
    else {
      remark = nil
      return
    }
    func percent(_ probe: RidgeProbe) -> String { "\(Int((100 * probe.accuracy).rounded())) %" }
    remark =
      "on \(items.count) images '\(best.scheme.rawValue)' tells the classes apart better "
      + "(\(percent(best.probe))) than '\(assumed.scheme.rawValue)' (\(percent(own))); "
      + "--preprocess \(best.scheme.rawValue) takes it"
  }

  /// What the standard head reads: its features are vectors, whatever the recipe's head makes of them.
  private static func featureGraph(_ recipe: Recipe, _ model: TransferModel) throws -> Graph? {
    if let graph = model.featureGraph { return graph }
    var recipe = recipe
    recipe.head = HeadSpecification.standard.description
    return try TransferModel.make(recipe, classNames: model.classNames) { _ in }.model.featureGraph
  }

  /// Training images, of the classes in turns.
  private static func sample(of data: DatasetSplit, seed: UInt64) -> [ImageDataset.Item] {
    var generator = SeededGenerator(seed: seed)
    let items = generator.permutation(data.training.count).map { data.training[$0] }
    var byClass = [[ImageDataset.Item]](repeating: [], count: data.classNames.count)
    for item in items where byClass[item.label].count < imageCount {
      byClass[item.label].append(item)
    }
    var chosen: [ImageDataset.Item] = []
    for round in 0..<imageCount {
      for items in byClass where round < items.count && chosen.count < imageCount {
        chosen.append(items[round])
      }
    }
    return chosen
  }
}
