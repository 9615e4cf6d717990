import Foundation
import GraftTraining
import GraftTensor

/// The log of a run: a line for each epoch, as CSV for spreadsheets and as JSON lines for programs, and a line with
/// the loss of each step.
package final class RunLog: TrainingObserver {
  private let csv: AppendedFile
  private let lines: AppendedFile
  private let steps: AppendedFile
  private let encoder = JSONEncoder()

  /// - Parameter lengths: bytes that stay of a log which is there already; `nil` starts anew
  package init(folder: String, lengths: [String: Int]?) throws {
    csv = try AppendedFile("\(folder)/log.csv", length: lengths?["log.csv"] ?? 0)
    lines = try AppendedFile("\(folder)/log.jsonl", length: lengths?["log.jsonl"] ?? 0)
    steps = try AppendedFile("\(folder)/steps.csv", length: lengths?["steps.csv"] ?? 0)
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if steps.length == 0 { try steps.append("phase,epoch,step,loss\n") }
    if csv.length == 0 {
      try csv.append(EpochRecord.CodingKeys.allCases.map(\.rawValue).joined(separator: ",") + "\n")
    }
  }

  package func stepEnded(_ progress: StepProgress) throws {
    try steps.append(
      "\(progress.phase),\(progress.epoch),\(progress.step),\(progress.stepLoss)\n")
  }

  package func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {
    func text(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    let fields = [
      "\(record.phase)", "\(record.epoch)", text(record.loss), text(record.accuracy),
      text(record.validationLoss), text(record.validationAccuracy), text(record.learningRate),
      text(record.seconds), text(record.picturesPerSecond),
    ]
    try csv.append(fields.joined(separator: ",") + "\n")
    try lines.append(String(decoding: try encoder.encode(record), as: UTF8.self) + "\n")
  }

  /// Bytes of each file that are safely on the disk.
  package func sync() throws -> [String: Int] {
    try csv.sync()
    try lines.sync()
    try steps.sync()
    return ["log.csv": csv.length, "log.jsonl": lines.length, "steps.csv": steps.length]
  }
}

/// A file that only grows.
private final class AppendedFile {
  private let path: String
  private let descriptor: Int32
  private(set) var length: Int

  /// - Parameter length: what lies behind it is cut off
  init(_ path: String, length: Int) throws {
    self.path = path
    self.length = length
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw GraftError(
        .cannotCreate, String(cString: strerror(errno)), places: [path])
    }
    guard ftruncate(descriptor, off_t(length)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
      throw failure
    }
  }

  deinit { close(descriptor) }

  func append(_ text: String) throws {
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        if count < 0, errno == EINTR { continue }
        throw failure
      }
      start += count
    }
    length += bytes.count
  }

  func sync() throws { guard fsync(descriptor) == 0 else { throw failure } }

  private var failure: GraftError {
    GraftError(
      .inputOutput, "cannot be written: \(String(cString: strerror(errno)))", places: [path])
  }
}
