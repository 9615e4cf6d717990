import FoundationEssentials
import GraftExecution
import GraftFiles
import GraftModels

/// The file of a machine's tuning record: `tuning` in the cache folder, one file for each kind of
/// processor and instruction set.
package struct TuningFile: Sendable {
  package let path: String

  private static let byteLimit = 16 << 20

  /// - Parameter root: the folder in `$GRAFT_HOME`, or the XDG cache folder
  package init(root: String) {
    path = "\(root)/tuning/\(TuningFile.processor)-\(InstructionSet.current).json"
  }

  /// The file in the cache that the environment configures; `nil` if there is none.
  package static func standard() -> TuningFile? {
    (try? ModelStore.root(environment: ModelStore.environmentVariable)).map(TuningFile.init)
  }

  /// The measurements on such a machine; empty if there are none, or the file is damaged or may
  /// have been written by another user.
  package func read() -> TuningRecord {
    guard let file = try? InputDescriptor(own: path), file.byteCount <= TuningFile.byteLimit
    else { return TuningRecord() }
    let json = Data(file.prefix(file.byteCount))
    return (try? JSONDecoder().decode(TuningRecord.self, from: json)) ?? TuningRecord()
  }

  /// - Throws: `GraftError` if the file exists, but ``read()`` ignores it since another user may
  ///   have written it
  package func check() throws {
    if FileSystem.statusOfLink(path) != nil { _ = try InputDescriptor(own: path) }
  }

  /// Whether the file is a regular file of this user, even if its mode lets others write to it.
  package var isOwn: Bool {
    FileSystem.statusOfLink(path).map { $0.isOwn && $0.st_mode & S_IFMT == S_IFREG } ?? false
  }

  /// Creates the folder and checks that the file can be written, before the long measurement.
  ///
  /// - Throws: `GraftError` if it cannot
  package func requireWritable() throws {
    try TextFile.makeOwnFolder(FilePath.folder(of: path))
    if let status = FileSystem.statusOfLink(path), status.st_mode & S_IFMT == S_IFDIR {
      throw GraftError.creating(path, EISDIR)
    }
    _ = try AtomicFile(path: path, mode: AtomicFile.ownMode, replacesSpecialFiles: true)
  }

  /// - Throws: `GraftError` if the file cannot be written
  package func write(_ record: TuningRecord) throws {
    try TextFile.makeOwnFolder(FilePath.folder(of: path))
    try TextFile.save(
      try record.text + "\n", to: path, mode: AtomicFile.ownMode, replacesSpecialFiles: true)
  }

  /// Vendor, family, model and stepping, which identify the kind of processor.
  private static let processor: String = {
    let text = FileSystem.kernelFile("/proc/cpuinfo") ?? ""
    var fields: [Substring: String] = [:]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty { break }
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2 else { continue }
      fields[Substring(parts[0].trimmed)] = parts[1].trimmed
    }
    let names: [Substring] = ["vendor_id", "cpu family", "model", "stepping"]
    let values = names.map { fields[$0] ?? "unknown" }
    return values.joined(separator: "-").filter { $0.isLetter || $0.isNumber || $0 == "-" }
  }()
}

extension TuningRecord {
  /// The record as JSON; equal choices give equal text.
  package var text: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }
}
