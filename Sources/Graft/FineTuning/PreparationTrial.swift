import GraftData
import GraftGraph
import GraftRuntime
import GraftTensor
import GraftTraining
import GraftVision

/// Tries the usual kinds of preprocessing on a few images if a network does not define its own: the
/// right one separates the classes best.
struct PreparationTrial {
  private static let imageCount = 32
  private static let batchSize = 8
  /// The preprocessing of most published networks.
  private static let candidates: [Preprocessing.Scheme] = [.torch, .kerasCaffe, .kerasTensorFlow]
  /// The required ratio of the errors; a smaller difference is chance.
  private static let margin = 0.95

  /// A remark for the user; `nil` if the images do not show a difference.
  let remark: String?

  /// - Parameters:
  ///   - model: of the recipe
  ///   - assumed: the assumed preprocessing
  /// - Throws: `GraftError` if an image cannot be read, or there is not enough memory
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
      "on \(items.count) images '\(best.scheme.rawValue)' separates the classes better "
      + "(\(percent(best.probe))) than '\(assumed.scheme.rawValue)' (\(percent(own))); "
      + "use --preprocess \(best.scheme.rawValue)"
  }

  /// The graph of the features for the standard head: vectors, whatever the recipe's head is.
  private static func featureGraph(_ recipe: Recipe, _ model: TransferModel) throws -> Graph? {
    if let graph = model.featureGraph { return graph }
    var recipe = recipe
    recipe.head = HeadSpecification.standard.description
    return try TransferModel.make(recipe, classNames: model.classNames) { _ in }.model.featureGraph
  }

  /// Training images, cycling through the classes.
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
