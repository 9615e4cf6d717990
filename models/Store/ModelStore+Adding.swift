import GraftFiles

import FoundationEssentials

/// The store's record of a file that the user added.
struct AddedModel: Codable {
  var name: String
  /// Its name in the store's folder.
  var file: String
  var checksum: Checksum
  /// The file's original path.
  var source: String
  /// The model in the manifest whose official file it is; `nil` for all other files.
  var officialName: String?
  /// The user's description of the model, as metadata of its graph.
  var metadata: [String: String]?
  /// Nanoseconds since 1970; a file with another time or size has changed.
  var modificationTime: Int
  var byteCount: Int
}

extension ModelStore {
  private static let recordSuffix = ".added.json"
  private static let recordLimit = 64 << 20

  /// Registers the file at `path` under `name` with its checksum, replacing an earlier one.
  ///
  /// The store's file is a hard link where the file system allows it, otherwise a copy. The
  /// manifest describes only its official file. Another file with the same name is described by
  /// itself and by `metadata`.
  ///
  /// - Parameter metadata: the user's description of the model, as metadata of its graph
  /// - Throws: `GraftError` if the name is invalid or the embedded model's, or if the file cannot
  ///   be read or copied
  @discardableResult
  package func add(
    _ name: String, file path: String, metadata: [String: String] = [:]
  ) throws -> Entry {
    guard ModelStore.isName(name) else {
      throw GraftError.usage(
        "'\(name)' is not a valid model name",
        hint: """
          Use letters, digits, '-', '_' and '.'; start with a letter or digit, and omit .onnx or .h5
          """)
    }
    guard name != EmbeddedModel.name else {
      throw GraftError.usage(
        "'\(name)' is the name of the built-in model", hint: "Use another name")
    }
    guard let source = FileSystem.realPath(path) else { throw GraftError.opening(path) }
    guard try InputDescriptor(source).byteCount > 0 else {
      throw GraftError.badData("is empty").at(path)
    }
    if let kind = FileKind.recognize(path: source), !kind.isHDF5, kind.family != .text {
      throw kind.error(expected: "a model", advice: "Use an .onnx or .h5 file").at(path)
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
    // The checksum in the name distinguishes old and new files until the record is replaced.
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

  /// The name, or that of the manifest's model it is an alias of, whichever has a record, even a
  /// damaged one; `nil` if neither has.
  func recordedName(_ name: String) -> String? {
    [name, manifest.model(named: name)?.name].compactMap { $0 }.first {
      $0 != EmbeddedModel.name && ModelStore.isName($0)
        && FileSystem.statusOfLink(recordPath($0)) != nil
    }
  }

  func damaged(_ name: String) -> GraftError {
    GraftError.badData(
      "the record of the added model '\(name)' is damaged",
      hint: "Run 'graft models remove \(name)', then 'graft models add \(name) FILE'"
    ).at(recordPath(name))
  }

  func damagedEntry(_ name: String) -> Entry {
    Entry(
      name: name, aliases: aliases(of: name),
      summary: "damaged; 'graft models remove \(name)' removes it", path: recordPath(name))
  }

  private func record(_ name: String) -> AddedModel? {
    guard ModelStore.isName(name),
      let text = try? TextFile.read(recordPath(name), limit: ModelStore.recordLimit),
      let record = try? JSONDecoder().decode(AddedModel.self, from: Data(text.utf8)),
      record.name == name, !record.file.contains("/")
    else { return nil }
    return record
  }

  /// Removes the file of a model, pulled or added, and its record.
  ///
  /// - Returns: the path of the removed file
  /// - Throws: `GraftError` if the model or its file does not exist
  package func remove(_ name: String) throws -> String {
    // Earlier versions accepted the embedded model's name.
    let leftBehind = name == EmbeddedModel.name ? record(name) : nil
    if let recorded = recordedName(name), addedRecord(recorded) == nil {
      return try removeDamaged(recorded)
    }
    let entry = try leftBehind.map { self.entry($0) } ?? self.entry(named: name)
    let recordPath = recordPath(entry.name)
    let hasRecord = record(entry.name) != nil
    guard hasRecord || entry.isPresent else {
      throw GraftError(.noInput, "the model '\(name)' is not installed")
    }
    // A record without a file is reported on use; a file without a record would be lost.
    guard FileSystem.remove(entry.path) == 0 || errno == ENOENT else {
      throw GraftError.writing(entry.path)
    }
    guard !hasRecord || FileSystem.remove(recordPath) == 0 else {
      throw GraftError.writing(recordPath)
    }
    return entry.path
  }

  /// Removes a damaged record, and the files that can only belong to its model.
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
    // The record goes last, since nothing else refers to the files.
    for path in files.map({ "\(folder)/\($0)" }) + [recordPath(name)] {
      guard FileSystem.remove(path) == 0 || errno == ENOENT else { throw GraftError.writing(path) }
    }
    return recordPath(name)
  }

  /// - Throws: `GraftError` if the file of `record` is no longer the one that was added
  func requireUnchanged(_ record: AddedModel) throws {
    let path = "\(folder)/\(record.file)"
    // Hashing a large file takes long; replacing it changes its time.
    guard let identity = FileIdentity(path: path),
      identity.byteCount != record.byteCount
        || identity.modificationTime != record.modificationTime
    else { return }
    let found = try Checksum(record.checksum.algorithm, ofFile: path)
    guard found == record.checksum else {
      throw GraftError.badData(
        "the file of the model '\(record.name)' has changed since it was added",
        hint: "Changing \(record.source) in place changes it too. "
          + adviceOnAddedFile(record.name)
      ).at(path)
    }
  }

  /// The advice when the user's file with a name cannot be used.
  func adviceOnAddedFile(_ name: String) -> String {
    let again = "Run 'graft models add \(name) FILE' again"
    guard let official = manifest.model(named: name) else { return again }
    return again + ", or 'graft models remove \(name)' to go back to \(official.name)'s own file"
  }

  /// Sound records by name, and the names of damaged ones.
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

  /// Whether a model can have the name. A name that ends like a model file is a path.
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
