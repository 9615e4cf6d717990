import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// A range test of learning rates, with its results in the folder of a future run.
package struct LearningRateSearch {
  private let fineTuner: FineTuner
  private let folder: String

  package var csvPath: String { "\(folder)/learning-rates.csv" }
  package var chartPath: String { "\(folder)/learning-rates.svg" }

  /// - Parameter remark: receives assumptions that were made
  /// - Throws: `GraftError` if something does not match, before any time is spent
  package init(
    _ recipe: Recipe, data: DatasetSplit, folder: String, observers: [any TrainingObserver],
    options: FineTuner.Options, remark: @escaping (String) -> Void
  ) throws {
    let (model, preprocessing, _) = try TransferModel.make(
      recipe, classNames: data.classNames, remark: remark)
    var options = options
    options.featureFolder = options.featureFolder ?? folder
    fineTuner = try FineTuner(
      recipe, model: model, data: data, preprocessing: preprocessing, observers: observers,
      options: options)
    try fineTuner.requireMemory(of: 0..<1)
    self.folder = folder
    try TextFile.makeFolder(folder)
  }

  /// - Parameter isInterrupted: called after each step
  /// - Returns: the result, which is also written; `nil` if the search was interrupted
  package func run(isInterrupted: @escaping () -> Bool) throws -> LearningRateRange? {
    fineTuner.isInterrupted = isInterrupted
    guard let range = try fineTuner.findLearningRate() else { return nil }
    try TextFile.save(RangeDrawing.csv(range), to: csvPath)
    try TextFile.save(RangeDrawing.svg(range), to: chartPath)
    return range
  }
}
