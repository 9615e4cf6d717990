import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// A range test of learning rates, with its results in the folder of a future run.
package final class LearningRateSearch: FineTunerDelegate {
  private let fineTuner: FineTuner
  private let folder: String
  package let observers: [any TrainingObserver]
  private let featureCache: FeatureCache?

  package var csvPath: String { "\(folder)/learning-rates.csv" }
  package var chartPath: String { "\(folder)/learning-rates.svg" }

  /// - Parameter remark: receives assumptions that were made
  /// - Throws: `GraftError` if something does not match, before any time is spent
  package init(
    _ recipe: Recipe, data: DatasetSplit, folder: String, observers: [any TrainingObserver],
    options: FineTuningRun.Options, remark: @escaping (String) -> Void
  ) throws {
    let (model, preprocessing, _) = try TransferModel.make(
      recipe, classNames: data.classNames, remark: remark)
    var tunerOptions = options.fineTuner
    tunerOptions.featureFolder = tunerOptions.featureFolder ?? folder
    fineTuner = try FineTuner(
      recipe, model: model, data: data, preprocessing: preprocessing, options: tunerOptions)
    self.folder = folder
    self.observers = observers
    featureCache = options.featureCache
    fineTuner.delegate = self
    try fineTuner.requireMemory(of: 0..<1)
    try TextFile.makeFolder(folder)
  }

  package func archive(for work: FrozenWork) throws -> (any FeatureArchive)? {
    try featureCache?.archive(for: work)
  }

  /// - Returns: the result, which is also written; `nil` if the search was interrupted
  package func run() throws -> LearningRateRange? {
    guard let range = try fineTuner.findLearningRate() else { return nil }
    try TextFile.save(RangeDrawing.csv(range), to: csvPath)
    try TextFile.save(RangeDrawing.svg(range), to: chartPath)
    return range
  }
}
