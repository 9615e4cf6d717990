import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// The range test of learning rates, whose results lie in the folder of a run to come.
package struct LearningRateSearch {
  private let fineTuner: FineTuner
  private let folder: String

  package var csvPath: String { "\(folder)/learning-rates.csv" }
  package var chartPath: String { "\(folder)/learning-rates.svg" }

  /// - Parameter remark: told what was assumed
  /// - Throws: `GraftError` before any time is spent, if something does not go together.
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

  /// - Parameter isInterrupted: asked after each step
  /// - Returns: what was found, which is also written; `nil` if the search was interrupted
  package func run(isInterrupted: @escaping () -> Bool) throws -> LearningRateRange? {
    fineTuner.isInterrupted = isInterrupted
    guard let range = try fineTuner.findLearningRate() else { return nil }
    try TextFile.save(RangeDrawing.csv(range), to: csvPath)
    try TextFile.save(RangeDrawing.svg(range), to: chartPath)
    return range
  }
}
