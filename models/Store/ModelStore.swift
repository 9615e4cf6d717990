import GraftFiles

/// The folder where models live that are called by name: pulled ones, and those that the user
/// added.
///
/// `$GRAFT_HOME`, else `$XDG_CACHE_HOME/graft`, else `~/.cache/graft`. A model of the manifest lies
/// in `models/` there under its official file name.
package struct ModelStore: Sendable {
  /// A model that the store knows, whether its file is there or not.
  package struct Entry: Sendable {
    package var name: String
    package var aliases: [String]
    package var summary: String
    package var path: String
    /// `nil` if the file is not there.
    package var byteCount: Int?
    /// What the manifest says; `nil` for files that the user added and that are not the official
    /// one.
    package var model: ModelManifest.Model?
    /// Of a file that the user added; `nil` for others.
    package var addedChecksum: Checksum?
    /// What the user said of it when it was added, as metadata of its graph.
    package var metadata: [String: String] = [:]

    package var isPresent: Bool { byteCount != nil }
  }

  package let root: String
  package let manifest: ModelManifest
  /// Whether the network must not be touched.
  package let isOffline: Bool
  package var patience = Download.Patience()

  var folder: String { "\(root)/models" }

  package init(root: String, manifest: ModelManifest = .builtIn, isOffline: Bool = false) {
    self.root = root
    self.manifest = manifest
    self.isOffline = isOffline
  }

  /// The store that the environment names.
  ///
  /// - Throws: `GraftError` if neither `GRAFT_HOME` nor `XDG_CACHE_HOME` nor `HOME` is set, or
  ///   `GRAFT_OFFLINE` means nothing.
  package init(manifest: ModelManifest = .builtIn) throws {
    try self.init(
      root: ModelStore.root(environment: ModelStore.environmentVariable), manifest: manifest,
      isOffline: ModelStore.isOffline(environment: ModelStore.environmentVariable))
  }

  package static func root(environment: (String) -> String?) throws -> String {
    if let home = environment("GRAFT_HOME") { return home }
    // The XDG specification has relative paths ignored.
    if let cache = environment("XDG_CACHE_HOME"), FilePath.isAbsolute(cache) {
      return "\(cache)/graft"
    }
    guard let home = environment("HOME") else {
      throw GraftError.usage(
        "there is no folder for models", hint: "Set GRAFT_HOME to the folder to keep them in")
    }
    return "\(home)/.cache/graft"
  }

  /// Whether `GRAFT_OFFLINE` has the network left alone.
  ///
  /// - Throws: `GraftError` if it says neither yes nor no.
  package static func isOffline(environment: (String) -> String?) throws -> Bool {
    guard let value = environment("GRAFT_OFFLINE") else { return false }
    switch value.lowercased() {
    case "1", "true", "yes", "on": return true
    case "", "0", "false", "no", "off": return false
    default:
      throw GraftError.usage(
        "GRAFT_OFFLINE is '\(value)'", hint: "Use 1, true, yes or on, or 0, false, no or off")
    }
  }

  /// A variable that is set to something.
  package static func environmentVariable(_ name: String) -> String? {
    FileSystem.environmentVariable(name)
  }

  /// All models of the manifest, then those that the user added, be the record of one damaged or
  /// not.
  package func list() -> [Entry] {
    let (added, damaged) = addedRecords()
    let known = manifest.models.map { model -> Entry in
      let record = added[model.name]
      let own =
        damaged.contains(model.name)
        ? damagedEntry(model.name)
        : record.flatMap { $0.officialName == nil ? self.entry($0) : nil }
      var entry = own ?? self.entry(model, added: record)
      // A file that the user gave the name comes first.
      entry.aliases.removeAll { added[$0] != nil || damaged.contains($0) }
      return entry
    }
    let names = Set(manifest.models.map(\.name))
    let others = added.values.map { self.entry($0) } + damaged.map { damagedEntry($0) }
    return known
      + others.filter { !names.contains($0.name) }.sorted { $0.name < $1.name }
  }

  /// The model of that name or alias.
  ///
  /// - Throws: `GraftError` that lists the names there are, says that the embedded model has no
  ///   file, or that the record of an added one is damaged.
  package func entry(named name: String) throws -> Entry {
    guard name != EmbeddedModel.name else {
      throw GraftError.usage(
        "'\(name)' is part of the program and has no file",
        hint: "'graft convert \(name) FILE.onnx' writes one")
    }
    let model = manifest.model(named: name)
    if let recorded = recordedName(name) {
      guard let record = addedRecord(recorded) else { throw damaged(recorded) }
      if record.officialName == nil { return entry(record) }
    }
    if let model { return entry(model, added: addedRecord(model.name)) }
    let entries = list()
    let names = entries.flatMap { [$0.name] + $0.aliases } + [EmbeddedModel.name]
    throw GraftError(
      .noInput, "there is no model named '\(name)'",
      hint: nearestNamesHint(name, among: names)
        ?? "There are \(([EmbeddedModel.name] + entries.map(\.name)).listed(limit: 20))")
  }

  /// Where the file of a model is.
  ///
  /// - Throws: `GraftError` that says what is missing, where it comes from, its checksum and where
  ///   to put it.
  package func path(for name: String) throws -> String {
    let entry = try entry(named: name)
    guard entry.isPresent else { throw missing(entry) }
    if let record = addedRecord(entry.name) { try requireUnchanged(record) }
    return entry.path
  }

  /// Fetches the file of a model, unless it is there; goes on with what an interrupted pull left.
  ///
  /// - Returns: Where the file is.
  /// - Throws: `GraftError` if the network may not be used or fails, or if the checksum is wrong.
  package func pull(
    _ name: String, progress: @escaping (DownloadProgress) -> Void = { _ in }
  ) throws -> String {
    let entry = try entry(named: name)
    if entry.isPresent {
      if entry.addedChecksum == nil { try verify(entry) }
      return try self.path(for: name)
    }
    guard let model = entry.model else { throw missing(entry) }
    guard !isOffline else {
      var error = missing(entry)
      error.code = .unavailable
      error.message += ", and GRAFT_OFFLINE forbids a download"
      throw error
    }
    let destination = "\(folder)/\(model.file)"
    try TextFile.makeFolder(folder)
    let partial = try PartialFile(for: destination)
    // Another process may have finished between the look and the lock.
    if TextFile.byteCount(destination) != nil {
      partial.remove()
      return destination
    }
    var download = Download(address: model.address, size: model.size, partialFile: partial)
    download.patience = patience
    do {
      try download.run(progress: progress)
    } catch let error as GraftError {
      if partial.byteCount == 0 { partial.remove() }
      throw error.at(model.name)
    }
    if let expected = model.checksum {
      let found = try Checksum(expected.algorithm, ofFile: partial.path)
      guard found == expected else {
        partial.remove()
        throw GraftError.badData(
          "the downloaded file has the checksum \(found), expected \(expected); it was removed",
          hint: "Pull again; if this repeats, the file at \(model.address) is another one"
        ).at(model.name)
      }
    }
    try partial.moveInPlace(destination)
    return destination
  }

  private func verify(_ entry: Entry) throws {
    guard let expected = entry.model?.checksum else { return }
    let found = try Checksum(expected.algorithm, ofFile: entry.path)
    guard found == expected else {
      throw GraftError.badData(
        "is there already, with the checksum \(found) instead of \(expected)",
        hint: "Remove it to pull it again, or register it with 'graft models add'"
      ).at(entry.path)
    }
  }

  private func missing(_ entry: Entry) -> GraftError {
    guard let model = entry.model else {
      return GraftError(
        .noInput, "the file of the model '\(entry.name)' is gone: \(entry.path)",
        hint: adviceOnAddedFile(entry.name))
    }
    let size = model.size.map { "\($0) bytes" } ?? "of unknown size"
    let checksum = model.checksum.map { ", \($0)" } ?? ""
    return GraftError(
      .noInput, "the file of the model '\(model.name)' is not here",
      hint: """
        One of these gets it:
          \(isOffline ? "GRAFT_OFFLINE=0 " : "")graft models pull \(model.name)
            downloads \(model.address) (\(size)\(checksum))
          graft models add \(model.name) FILE
            registers a file that you have; so does putting it at \(entry.path)
        """)
  }

  private func entry(_ model: ModelManifest.Model, added: AddedModel?) -> Entry {
    let path = "\(folder)/\(added?.file ?? model.file)"
    return Entry(
      name: model.name, aliases: model.aliases ?? [], summary: model.summary, path: path,
      byteCount: TextFile.byteCount(path), model: model, addedChecksum: added?.checksum)
  }

  /// What else the model of the manifest with that name is called, whichever file is its own.
  func aliases(of name: String) -> [String] {
    manifest.models.first { $0.name == name }?.aliases ?? []
  }

  func entry(_ record: AddedModel) -> Entry {
    let path = "\(folder)/\(record.file)"
    return Entry(
      name: record.name, aliases: aliases(of: record.name), summary: "added from \(record.source)",
      path: path, byteCount: TextFile.byteCount(path), model: nil, addedChecksum: record.checksum,
      metadata: record.metadata ?? [:])
  }
}
