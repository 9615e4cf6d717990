import GraftFiles
import GraftTraining

/// The log of a run: a line for each epoch as CSV and as JSON, a line with the loss of each step,
/// and both as TensorBoard events.
package final class RunLog: TrainingObserver {
  private let csv: AppendedFile
  private let lines: AppendedFile
  private let steps: AppendedFile
  private let events: EventFile

  static let fileNames = ["log.csv", "log.jsonl", "steps.csv", EventFile.name]

  /// - Parameter lengths: the bytes to keep of existing logs; `nil` starts new ones
  /// - Throws: `GraftError` if the files cannot be written, are shorter, or are open in another
  ///   process
  package init(folder: String, lengths: [String: Int]?) throws {
    csv = try AppendedFile("\(folder)/log.csv", length: lengths?["log.csv"] ?? 0)
    lines = try AppendedFile("\(folder)/log.jsonl", length: lengths?["log.jsonl"] ?? 0)
    steps = try AppendedFile("\(folder)/steps.csv", length: lengths?["steps.csv"] ?? 0)
    events = try EventFile(folder: folder, length: lengths?[EventFile.name] ?? 0)
    if steps.length == 0 { try steps.append("phase,epoch,step,loss\n") }
    if csv.length == 0 {
      try csv.append(EpochRecord.CodingKeys.allCases.map(\.rawValue).joined(separator: ",") + "\n")
    }
  }

  package func stepEnded(_ progress: StepProgress) throws {
    try steps.append(
      "\(progress.phase),\(progress.epoch),\(progress.step),\(progress.stepLoss)\n")
    try events.append([("loss/step", progress.stepLoss)], step: progress.totalStep)
  }

  package func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    let fields = [
      "\(record.phase)", "\(record.epoch)", text(record.loss), text(record.accuracy),
      text(record.validationLoss), text(record.validationAccuracy), text(record.learningRate),
      text(record.seconds), text(record.imagesPerSecond),
    ]
    try csv.append(fields.joined(separator: ",") + "\n")
    try lines.append(JSONText.encode(record) + "\n")
    let scalars = [
      ("loss/training", record.loss), ("loss/validation", record.validationLoss),
      ("accuracy/training", record.accuracy), ("accuracy/validation", record.validationAccuracy),
      ("learning_rate", record.learningRate), ("images_per_second", record.imagesPerSecond),
    ]
    try events.append(
      scalars.compactMap { tag, value in value.map { (tag, $0) } }, step: progress.totalStep)
  }

  /// The bytes of each file that are safely on disk.
  package func sync() throws -> [String: Int] {
    try csv.sync()
    try lines.sync()
    try steps.sync()
    try events.sync()
    return [
      "log.csv": csv.length, "log.jsonl": lines.length, "steps.csv": steps.length,
      EventFile.name: events.length,
    ]
  }
}
