import GraftFiles

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the store remembers of a file that the user brought.
struct AddedModel: Codable {
  var name: String
  /// In the store's folder.
  var file: String
  var checksum: Checksum
  /// Where the file was.
  var source: String
  /// The model of the manifest whose official file it is; `nil` for all other files.
  var officialName: String?
  /// What the user said of the model, as metadata of its graph.
  var metadata: [String: String]?
  /// Nanoseconds since 1970 and bytes: a file that differs from this has changed.
  var modificationTime: Int
  var byteCount: Int
}

extension ModelStore {
  private static let recordSuffix = ".added.json"
  private static let recordLimit = 64 << 20

  /// Registers the file at `path` under `name`, with a checksum of its own; takes the place of an
  /// earlier one.
  ///
  /// The store's file is a hard link where the file system allows it, else a copy. What the
  /// manifest says of a model holds for its official file only; another file under its name is
  /// described by itself and by `metadata`.
  ///
  /// - Parameter metadata: what the user says of the model, as metadata of its graph
  /// - Throws: `GraftError` if the name will not do or is that of the embedded model, or the file
  ///   cannot be read or copied.
  @discardableResult
  package func add(
    _ name: String, file path: String, metadata: [String: String] = [:]
  ) throws -> Entry {
    guard ModelStore.isName(name) else {
      throw GraftError.usage(
        "'\(name)' is no name for a model",
        hint: """
          Use letters, digits, '-', '_' and '.', beginning with a letter or digit, and no ending of model files
          """)
    }
    guard name != EmbeddedModel.name else {
      throw GraftError.usage(
        "'\(name)' is the name of the network that is part of Graft", hint: "Use another name")
    }
    guard let source = FileSystem.realPath(path) else { throw GraftError.opening(path) }
    guard try InputDescriptor(source).byteCount > 0 else {
      throw GraftError.badData("is empty").at(path)
    }
    if let kind = FileKind.recognize(path: source), !kind.isHDF5, kind.family != .text {
      throw kind.error(expected: "a model", advice: "Models are .onnx and .h5 files").at(path)
    }
    try TextFile.makeFolder(folder)
    let model = manifest.model(named: name)
    let isOfficial = try metadata.isEmpty && model?.isOfficialFile(source) == true
    let name = isOfficial ? model?.name ?? name : name
    let old = addedRecord(name)
    let temporary = "\(folder)/\(name).\(getpid()).tmp"
    FileSystem.remove(temporary)
    defer { FileSystem.remove(temporary) }
    try linkOrCopy(source, to: temporary)
    let checksum = try Checksum(.sha256, ofFile: temporary)
    // The checksum in the name keeps an old file apart from its successor until the record has
    // changed.
    let file = "\(name).\(checksum.digest.prefix(16))\(ModelStore.suffix(of: source))"
    guard let identity = FileIdentity(path: temporary),
      FileSystem.move(temporary, to: "\(folder)/\(file)") == 0
    else { throw GraftError.creating("\(folder)/\(file)") }
    let record = AddedModel(
      name: name, file: file, checksum: checksum, source: source,
      officialName: isOfficial ? name : nil, metadata: metadata.isEmpty ? nil : metadata,
      modificationTime: identity.modificationTime, byteCount: identity.byteCount)
    let json = try JSONEncoder().encode(record)
    try TextFile.save(String(decoding: json, as: UTF8.self), to: recordPath(name))
    if let old, old.file != record.file { FileSystem.remove("\(folder)/\(old.file)") }
    return try entry(named: name)
  }

  func addedRecord(_ name: String) -> AddedModel? {
    name == EmbeddedModel.name ? nil : record(name)
  }

  /// The name, or that of the model of the manifest that it stands for, of which there is a record,
  /// be it sound or damaged; `nil` if there is neither.
  func recordedName(_ name: String) -> String? {
    [name, manifest.model(named: name)?.name].compactMap { $0 }.first {
      $0 != EmbeddedModel.name && ModelStore.isName($0)
        && FileSystem.statusOfLink(recordPath($0)) != nil
    }
  }

  func damaged(_ name: String) -> GraftError {
    GraftError.badData(
      "what was kept of the model '\(name)' when it was added cannot be read",
      hint: "Run 'graft models remove \(name)', then 'graft models add \(name) FILE'"
    ).at(recordPath(name))
  }

  func damagedEntry(_ name: String) -> Entry {
    Entry(
      name: name, aliases: aliases(of: name),
      summary: "damaged; 'graft models remove \(name)' takes it away", path: recordPath(name))
  }

  private func record(_ name: String) -> AddedModel? {
    guard ModelStore.isName(name),
      let text = try? TextFile.read(recordPath(name), limit: ModelStore.recordLimit),
      let record = try? JSONDecoder().decode(AddedModel.self, from: Data(text.utf8)),
      record.name == name, !record.file.contains("/")
    else { return nil }
    return record
  }

  /// Removes the file of a model, pulled or added, and what the user said of it.
  ///
  /// - Returns: The path of the file that was removed.
  /// - Throws: `GraftError` if there is no such model or no file of it.
  package func remove(_ name: String) throws -> String {
    // Earlier versions gave the embedded model's name to files.
    let leftBehind = name == EmbeddedModel.name ? record(name) : nil
    if let recorded = recordedName(name), addedRecord(recorded) == nil {
      return try removeDamaged(recorded)
    }
    let entry = try leftBehind.map { self.entry($0) } ?? self.entry(named: name)
    let recordPath = recordPath(entry.name)
    let hasRecord = record(entry.name) != nil
    guard hasRecord || entry.isPresent else {
      throw GraftError(.noInput, "the model '\(name)' is not here, so there is nothing to remove")
    }
    // A record without a file is reported when it is used; a file without a record would be lost.
    guard FileSystem.remove(entry.path) == 0 || errno == ENOENT else {
      throw GraftError.writing(entry.path)
    }
    guard !hasRecord || FileSystem.remove(recordPath) == 0 else {
      throw GraftError.writing(recordPath)
    }
    return entry.path
  }

  /// Removes a record that does not say any more which file it is of, and the files that can only
  /// be of that model.
  private func removeDamaged(_ name: String) throws -> String {
    let others = Set(addedRecords().sound.values.map(\.file))
    var files: [String] = []
    _ = FileSystem.forEachEntry(inFolder: folder) { file, _ in
      let rest = file.dropFirst(name.count + 1)
      guard file.hasPrefix("\(name)."), rest.prefix(while: \.isHexDigit).count == 16,
        rest.count == 16 || rest.dropFirst(16).hasPrefix("."), !others.contains(file)
      else { return }
      files.append(file)
    }
    // The record goes last: without it nothing would tell of the files.
    for path in files.map({ "\(folder)/\($0)" }) + [recordPath(name)] {
      guard FileSystem.remove(path) == 0 || errno == ENOENT else { throw GraftError.writing(path) }
    }
    return recordPath(name)
  }

  /// - Throws: `GraftError` if the file of `record` is no longer the one that was added.
  func requireUnchanged(_ record: AddedModel) throws {
    let path = "\(folder)/\(record.file)"
    // The hash of a large file takes long; who replaces a file changes its time.
    guard let identity = FileIdentity(path: path),
      identity.byteCount != record.byteCount
        || identity.modificationTime != record.modificationTime
    else { return }
    let found = try Checksum(record.checksum.algorithm, ofFile: path)
    guard found == record.checksum else {
      throw GraftError.badData(
        "the file of the model '\(record.name)' has changed since it was added",
        hint: "A change of \(record.source) in place changes it, too. "
          + adviceOnAddedFile(record.name)
      ).at(path)
    }
  }

  /// What to do where the file that the user added under a name cannot be used.
  func adviceOnAddedFile(_ name: String) -> String {
    let again = "Run 'graft models add \(name) FILE' again"
    guard let official = manifest.model(named: name) else { return again }
    return again + ", or 'graft models remove \(name)' to go back to \(official.name)'s own file"
  }

  /// By name, and the names of those that are damaged.
  func addedRecords() -> (sound: [String: AddedModel], damaged: Set<String>) {
    var records: [String: AddedModel] = [:]
    var damaged: Set<String> = []
    _ = FileSystem.forEachEntry(inFolder: folder) { file, _ in
      guard file.hasSuffix(ModelStore.recordSuffix) else { return }
      let name = String(file.dropLast(ModelStore.recordSuffix.count))
      records[name] = addedRecord(name)
      if records[name] == nil, recordedName(name) == name { damaged.insert(name) }
    }
    return (records, damaged)
  }

  private func recordPath(_ name: String) -> String {
    "\(folder)/\(name)\(ModelStore.recordSuffix)"
  }

  /// Whether a model can have the name. What ends as files of models do is a file.
  package static func isName(_ name: String) -> Bool {
    guard let first = name.utf8.first, name.utf8.count <= 100,
      !["onnx", "h5", "hdf5"].contains(FilePath.ending(of: name))
    else { return false }
    func isLetterOrDigit(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: false
      }
    }
    return isLetterOrDigit(first)
      && name.utf8.allSatisfy { isLetterOrDigit($0) || "-_.".utf8.contains($0) }
  }

  /// `.h5` of `a/b.h5`; empty if there is none.
  private static func suffix(of path: String) -> String {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: "."), dot > file.startIndex else { return "" }
    return String(file[dot...])
  }

  private func linkOrCopy(_ source: String, to destination: String) throws {
    if link(source, destination) == 0 { return }
    let input = try InputDescriptor(source)
    let output = FileSystem.open(destination, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard output >= 0 else { throw GraftError.creating(destination) }
    defer { close(output) }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = read(input.number, piece.baseAddress, piece.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw GraftError.reading(source) }
      if count == 0 { break }
      var done = 0
      while done < count, let base = piece.baseAddress {
        let written = write(output, base + done, count - done)
        guard written > 0 || errno == EINTR else { throw GraftError.writing(destination) }
        done += max(0, written)
      }
    }
    guard fsync(output) == 0 else { throw GraftError.writing(destination) }
  }
}
