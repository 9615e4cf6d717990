import GraftData
import GraftRuntime
import GraftTraining
import GraftVision

/// Tries the usual ways of preparing images on a few of them, where a network does not say which one it was trained
/// with: the right one tells the classes apart best.
struct PreparationTrial {
  static let imageCount = 32
  private static let batchSize = 8
  /// What most published networks were trained with.
  private static let candidates: [Preprocessing.Scheme] = [.torch, .kerasCaffe, .kerasTensorFlow]

  /// What people should know; `nil` if the images do not tell, or the assumption is the best.
  let remark: String?

  /// - Parameters:
  ///   - recipe: without a preparation
  ///   - assumed: the way that is taken
  /// - Throws: `GraftError` if the trunk cannot be run.
  init(
    _ recipe: Recipe, assumed: Preprocessing.Scheme, data: DatasetSplit,
    options: Executable.Options
  ) throws {
    let items = PreparationTrial.sample(of: data, seed: recipe.seed)
    guard PreparationTrial.candidates.contains(assumed), Set(items.map(\.label)).count > 1 else {
      remark = nil
      return
    }
    let probes = try PreparationTrial.candidates.compactMap { scheme in
      try PreparationTrial.probe(recipe, scheme, data.classNames, items, options)
        .map { (scheme: scheme, probe: $0) }
    }
    guard let best = probes.min(by: { $0.probe.error < $1.probe.error }),
      let own = probes.first(where: { $0.scheme == assumed })
    else {
      remark = nil
      return
    }
    func percent(_ probe: RidgeProbe) -> String { "\(Int((100 * probe.accuracy).rounded())) %" }
    if best.scheme == assumed {
      remark =
        "on \(items.count) images '\(assumed.rawValue)' tells the classes apart best (\(percent(own.probe)))"
    } else {
      remark =
        "on \(items.count) images '\(best.scheme.rawValue)' tells the classes apart better "
        + "(\(percent(best.probe))) than '\(assumed.rawValue)' (\(percent(own.probe))); "
        + "--preprocess \(best.scheme.rawValue) takes it"
    }
  }

  /// Training images, of the classes in turns.
  private static func sample(of data: DatasetSplit, seed: UInt64) -> [PictureDataset.Item] {
    var generator = SeededGenerator(seed: seed)
    let items = generator.permutation(data.training.count).map { data.training[$0] }
    var byClass = [[PictureDataset.Item]](repeating: [], count: data.classNames.count)
    for item in items where byClass[item.label].count < imageCount {
      byClass[item.label].append(item)
    }
    var chosen: [PictureDataset.Item] = []
    for round in 0..<imageCount {
      for items in byClass where round < items.count && chosen.count < imageCount {
        chosen.append(items[round])
      }
    }
    return chosen
  }

  private static func probe(
    _ recipe: Recipe, _ scheme: Preprocessing.Scheme, _ classNames: [String],
    _ items: [PictureDataset.Item], _ options: Executable.Options
  ) throws -> RidgeProbe? {
    var recipe = recipe
    recipe.preprocess = scheme.rawValue
    recipe.head = HeadSpecification.standard.description
    let made = try TransferModel.make(recipe, classNames: classNames) { _ in }
    guard let graph = made.model.featureGraph else { return nil }
    let session = Session(try Executable(graph, options: options))
    let batches = try PictureBatches(
      items, made.preprocessing, threadCount: options.threadCount)
    var features: [[Float]] = []
    let batchSize = made.model.takesOneImage ? 1 : batchSize
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
      features: features, labels: items.map(\.label), classCount: classNames.count)
  }
}
